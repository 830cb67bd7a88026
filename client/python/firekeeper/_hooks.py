"""Callables that may live in a user's model: copied or pickled, they do nothing."""

from __future__ import annotations

from typing import Any, Callable, Dict, Tuple


def inert(*_: Any) -> None:
    """What becomes of a hook in a copy of the model."""


class Hook:
    """A forward hook that never raises and does not travel with the model.

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
        try:
            self._function(*arguments)
        except Exception as error:  # pylint: disable=broad-except
            self._on_error(error)

    def __deepcopy__(self, memo: Dict[int, Any]) -> Callable[..., None]:
        return inert

    def __copy__(self) -> Callable[..., None]:
        return inert

    def __reduce__(self) -> Tuple[Callable[[], Callable[..., None]], Tuple[()]]:
        return _make_inert, ()


def _make_inert() -> Callable[..., None]:
    return inert
