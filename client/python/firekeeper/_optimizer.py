"""Calls back around every step of an optimizer."""

from __future__ import annotations

import functools
import types
import weakref
from typing import Any, Callable, List, Mapping, Sequence

import torch


class StepHooks:
    """Removable callbacks before and after ``optimizer.step``.

    Uses the optimizer's own hooks where it has them (torch 2.0), else wraps the method
    of this one object. Schedulers that wrapped it before or wrap it later go on to work.
    Copies of the optimizer are not hooked.

    Args:
        optimizer: whose steps.
        before: called before each step, with whether it was given a closure; must not raise.
        after: called after each step that did not raise; must not raise.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        before: Callable[[bool], None],
        after: Callable[[], None],
    ) -> None:
        self._handles: List[Any] = []
        if hasattr(optimizer, "register_step_pre_hook"):
            self._handles = [
                optimizer.register_step_pre_hook(
                    lambda _, arguments, options: before(_has_closure(arguments[1:], options))
                ),
                optimizer.register_step_post_hook(lambda *_: after()),
            ]
            return
        self._optimizer = weakref.ref(optimizer)
        self._wrap(optimizer, before, after)

    def _wrap(
        self,
        optimizer: torch.optim.Optimizer,
        before: Callable[[bool], None],
        after: Callable[[], None],
    ) -> None:
        watched = self._optimizer
        original = optimizer.step
        function = getattr(original, "__func__", None)
        self._active = active = [True]
        self._original = original

        @functools.wraps(original)
        def step(self: torch.optim.Optimizer, *arguments: Any, **options: Any) -> Any:
            # A copy carries this function, not what is watched.
            mine = active[0] and self is watched()
            if mine:
                before(_has_closure(arguments, options))
            if function is not None:
                result = function(self, *arguments, **options)
            else:
                result = original(*arguments, **options)
            if mine:
                after()
            return result

        self._wrapped = step
        setattr(optimizer, "step", types.MethodType(step, optimizer))

    def remove(self) -> None:
        """No callback comes any more."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if not hasattr(self, "_active"):
            return
        self._active[0] = False
        optimizer = self._optimizer()
        if optimizer is None:
            return
        current = optimizer.__dict__.get("step")
        # Somebody may have wrapped it again: then ours stays, and passes through.
        if getattr(current, "__func__", None) is self._wrapped:
            if getattr(self._original, "__func__", None) is type(optimizer).step:
                del optimizer.__dict__["step"]
            else:
                setattr(optimizer, "step", self._original)


def _has_closure(arguments: Sequence[Any], options: Mapping[str, Any]) -> bool:
    return any(each is not None for each in (*arguments, options.get("closure")))
