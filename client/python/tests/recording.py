"""A sender that keeps what a watcher gives it, for tests without a server."""

from __future__ import annotations

import struct
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from firekeeper._columns import SummaryColumn
from firekeeper._observer import Problem
from firekeeper._pending import Summary
from firekeeper._places import Selection
from firekeeper._sampler import Sampler
from firekeeper._vocabulary import LayerSpec, Phase, Signal
from firekeeper._watcher import Watcher

_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Recorded(NamedTuple):
    """One snapshot."""

    layer: str
    signal: Signal
    phase: Phase
    step: int
    part: int
    summary: Summary

    def counts(self, column: int) -> List[int]:
        """A count column, one entry a unit."""
        width, data = self.summary.columns[column]
        if width == 0:
            return self._derived(SummaryColumn(column))
        values = list(struct.unpack(f"<{len(data) // width}{_FORMATS[width]}", data))
        return values * self.summary.unit_count if len(values) == 1 else values

    def _derived(self, column: SummaryColumn) -> List[int]:
        firings = self.counts(SummaryColumn.FIRINGS)
        if column != SummaryColumn.ZEROS:
            return firings
        observations = self.counts(SummaryColumn.OBSERVATIONS)
        positives = self.counts(SummaryColumn.POSITIVES)
        return [n - k for n, k in zip(observations, positives)]


class RecordingSender:
    """Resolves at once and keeps everything."""

    def __init__(self, layers: Sequence[LayerSpec]) -> None:
        self.layers = list(layers)
        self.seen: List[Recorded] = []
        self.scalars: List[Tuple[str, int, float]] = []
        self.done: List[int] = []
        self.closed = False

    def enqueue(
        self, layer: str, signal: Signal, phase: Phase, step: int, part: int, pending: Any
    ) -> None:
        assert layer in {each.name for each in self.layers}
        self.seen.append(Recorded(layer, signal, phase, step, part, pending.resolve()))

    def scalar(self, name: str, step: int, value: float) -> None:
        self.scalars.append((name, step, value))

    def step_done(self, step: int) -> None:
        self.done.append(step)

    def counters(self) -> None:
        return None

    def close(self, deadline: float) -> bool:
        self.closed = True
        return True

    def of(
        self, layer: str, signal: Signal, step: Optional[int] = None, phase: Phase = Phase.TRAIN
    ) -> List[Recorded]:
        """The snapshots of one signal, in order."""
        return [
            each
            for each in self.seen
            if (each.layer, each.signal, each.phase) == (layer, signal, phase)
            and step in (None, each.step)
        ]


class Recording:
    """A watcher of ``model`` whose sender is a ``RecordingSender``."""

    def __init__(
        self, model: torch.nn.Module, *optimizers: torch.optim.Optimizer, **options: Any
    ) -> None:
        self.senders: List[RecordingSender] = []
        selection: Dict[str, Any] = {
            name: options.pop(name)
            for name in ("include", "exclude", "functional", "unit_ranges", "unit_axes")
            if name in options
        }

        def start(layers: List[LayerSpec]) -> Any:
            self.senders.append(RecordingSender(layers))
            return self.senders[-1]

        self.watcher = Watcher(
            model,
            optimizers,
            Selection(**selection),
            Sampler(options.pop("every", 1), 0.01, adaptive=False),
            start,
            batch_first=options.pop("batch_first", True),
            resume_step=options.pop("resume_step", 0),
            sends_scalars=True,
            scaler=options.pop("scaler", None),
        )
        assert not options, options

    @property
    def sender(self) -> RecordingSender:
        """Of the only start."""
        assert len(self.senders) == 1
        return self.senders[0]


__all__ = ["Problem", "Recorded", "Recording", "RecordingSender"]
