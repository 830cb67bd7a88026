"""Which forward pass and which call of a module runs, and whether it counts.

A checkpointed module runs twice. Where its first run had gradients enabled, that one is
observed and the second ignored; where it had not (reentrant checkpoints), the second is
observed, as part of the pass of the first. Backward passes are taken to go through the
forward passes from the last to the first.
"""

from __future__ import annotations

import collections
import contextlib
import weakref
from typing import Dict, Iterator, List, NamedTuple, Optional

import torch
from torch import nn

from firekeeper._graph import PlaceKey
from firekeeper._vocabulary import Phase


class Call(NamedTuple):
    """One call of a module.

    Attributes:
        key: module path and call index within the pass.
        part: which pass of the step.
        observed: it is reduced. The first run of a reentrant checkpoint is not, but shows
            where the module stands among the others.
    """

    key: PlaceKey
    part: int
    observed: bool


class Passes:
    """The passes of one step. Thread-compatible.

    Args:
        model: whose call is a pass.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = weakref.ref(model)
        self.phase = Phase.TRAIN
        self._parts: Dict[Phase, int] = {}
        self._calls: Dict[str, int] = collections.defaultdict(int)
        self._unseen: Dict[str, List[Call]] = collections.defaultdict(list)
        self._running = False
        self._backward_began = False

    @property
    def part(self) -> int:
        """Which pass of the step runs, or ran last."""
        return max(0, self._parts.get(self.phase, 0))

    def begin_step(self) -> None:
        """What comes belongs to another step."""
        self._parts.clear()
        self._calls.clear()
        self._unseen.clear()
        self._running = False
        self._backward_began = False

    def enter(self) -> bool:
        """A forward pass of the model begins; whether it counts."""
        self._backward_began = False
        self._running = self.counts()
        if self._running:
            self._parts[self.phase] = self._parts.get(self.phase, -1) + 1
            self._calls.clear()
        return self._running

    def leave(self) -> None:
        """It has ended."""
        self._running = False

    def note_backward(self) -> None:
        """A backward pass runs."""
        self._backward_began = True

    def counts(self) -> bool:
        """Whether a forward pass that runs now is part of what is watched."""
        if self.phase != Phase.TRAIN:
            return True
        model = self._model()
        return torch.is_grad_enabled() and model is not None and model.training

    def call(self, path: str) -> Optional[Call]:
        """The call of a module that begins; None where it is none of ours."""
        if self._in_backward():
            return self._recomputed(path)
        call = Call((path, self._calls[path]), self.part, self.counts())
        self._calls[path] += 1
        if call.observed:
            return call
        if not self._running:
            return None
        self._unseen[path].append(call)
        return call

    def _recomputed(self, path: str) -> Optional[Call]:
        waiting = self._unseen[path]
        if not waiting or not self.counts():
            return None
        last = max(each.part for each in waiting)
        index = next(i for i, each in enumerate(waiting) if each.part == last)
        return waiting.pop(index)._replace(observed=True)

    def _in_backward(self) -> bool:
        task = getattr(torch._C, "_current_graph_task_id", None)
        return self._backward_began if task is None else task() != -1

    @contextlib.contextmanager
    def frozen(self, phase: Phase) -> Iterator[None]:
        """Passes of another phase in between."""
        kept = self._calls, self._unseen, self._running, self._backward_began
        self._calls = collections.defaultdict(int)
        self._unseen = collections.defaultdict(list)
        self._running = self._backward_began = False
        self.phase = phase
        try:
            yield
        finally:
            self._calls, self._unseen, self._running, self._backward_began = kept
            self.phase = Phase.TRAIN
