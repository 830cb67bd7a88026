"""Callables that may live in a user's model: copied or pickled, they do nothing."""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable, Dict, Tuple

import torch

# Of Python itself, so that a pickled model is read where firekeeper is not installed; takes
# any arguments and gives None.
_INERT: Callable[..., None] = functools.partial(sys.audit, "firekeeper.hook_of_a_copy")


class Hook:
    """A forward hook that never raises and does not travel with the model.

    Nothing is observed while torch traces a model.

    Args:
        function: called with what the module passes; may raise.
        on_error: told of the exception; must not raise.
    """

    def __init__(
        self, function: Callable[..., None], on_error: Callable[[BaseException], None]
    ) -> None:
        self._function = function
        self._on_error = on_error

    def __call__(self, *arguments: Any) -> None:
        if torch.jit.is_tracing():
            return
        try:
            self._function(*arguments)
        except Exception as error:  # pylint: disable=broad-except
            self._on_error(error)

    def __deepcopy__(self, memo: Dict[int, Any]) -> Callable[..., None]:
        return _INERT

    def __copy__(self) -> Callable[..., None]:
        return _INERT

    def __reduce__(self) -> Tuple[Any, ...]:
        return functools.partial, (sys.audit, "firekeeper.hook_of_a_copy")
