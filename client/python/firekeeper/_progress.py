"""How far the training has come, as far as the server may be told.

The watermark, the sampled steps and the scalars. Free of threads, gRPC and protobuf.
"""

from __future__ import annotations

import bisect
import collections
from typing import Deque, Dict, List, NamedTuple, Set, Tuple

# Of one message (ingest.proto).
MAX_SAMPLED_STEPS = 4096
MAX_SCALARS = 256

MAX_HELD_STEPS = 65536
MAX_HELD_SCALARS = 4096
MAX_SCALAR_NAMES = 1024

ScalarEntry = Tuple[str, int, float]


class ProgressReport(NamedTuple):
    """One ``firekeeper.v1.Progress``.

    Attributes:
        complete_through_step: the watermark; -1: none yet.
        sampled_steps: ascending.
        scalars: (name, step, value) each.
    """

    complete_through_step: int
    sampled_steps: List[int]
    scalars: List[ScalarEntry]


class ProgressLog:
    """Progress is not acknowledged: what may be lost with a stream is told on the next."""

    def __init__(self) -> None:
        self._steps: List[int] = []  # sampled, ascending; bounded
        self._last_seq: Dict[int, int] = {}  # by sampled step: the last that observed it
        self._untold: Set[int] = set()  # of _steps
        # Strictly ascending, in step: up to which number the step's snapshots reach.
        self._done_steps: List[int] = []
        self._done_seqs: List[int] = []
        self._told_watermark = -1  # on this stream
        self._scalars: Deque[ScalarEntry] = collections.deque()  # not yet told; bounded
        # The newest of each name: told again on a new stream.
        self._newest: Dict[str, Tuple[int, float]] = {}

    def note_sampled(self, step: int, seq: int) -> None:
        """Snapshot ``seq`` observed ``step`` of the training."""
        if step not in self._last_seq:
            bisect.insort(self._steps, step)
            self._untold.add(step)
        self._last_seq[step] = seq
        if len(self._steps) > MAX_HELD_STEPS:
            self._forget(1)

    def note_done(self, step: int, last_seq: int) -> None:
        """No snapshot of a step up to ``step`` will get a number above ``last_seq``."""
        if self._done_steps and step <= self._done_steps[-1]:
            return
        if self._done_seqs and self._done_seqs[-1] == last_seq:
            self._done_steps[-1] = step
            return
        self._done_steps.append(step)
        self._done_seqs.append(last_seq)
        # An old mark says nothing that a newer one does not say later.
        if len(self._done_steps) > MAX_HELD_STEPS:
            del self._done_steps[0], self._done_seqs[0]

    def note_scalar(self, name: str, step: int, value: float) -> bool:
        """False: an older scalar was displaced, or this one is of too many names.

        Requires a valid name.
        """
        if name not in self._newest and len(self._newest) >= MAX_SCALAR_NAMES:
            return False
        self._newest[name] = (step, value)
        self._scalars.append((name, step, value))
        if len(self._scalars) <= MAX_HELD_SCALARS:
            return True
        self._scalars.popleft()
        return False

    def on_opened(self, accepted_seq: int) -> None:
        """A new stream goes on after ``accepted_seq``."""
        self._told_watermark = -1
        self._untold.update(step for step in self._steps if self._last_seq[step] > accepted_seq)
        # The server keeps the value of the greatest step: an old one that comes after its
        # successor does no harm.
        again = [(name, step, value) for name, (step, value) in self._newest.items()]
        self._scalars.extendleft(reversed(again))
        while len(self._scalars) > MAX_HELD_SCALARS:
            self._scalars.popleft()

    def on_acked(self, seq: int) -> None:
        """The server has everything up to ``seq``; told steps up to it are forgotten."""
        # Numbers ascend with steps but for a few; those wait for their turn.
        count = 0
        for step in self._steps:
            if step in self._untold or self._last_seq[step] > seq:
                break
            count += 1
        self._forget(count)
        # The newest mark that is covered stays: the next stream begins with it.
        covered = bisect.bisect_right(self._done_seqs, seq)
        if covered > 1:
            del self._done_steps[: covered - 1], self._done_seqs[: covered - 1]

    def has_news(self, next_to_send: int) -> bool:
        """Whether take() would say anything new."""
        return (
            bool(self._untold)
            or bool(self._scalars)
            or self._watermark(next_to_send) > self._told_watermark
        )

    def take(self, next_to_send: int) -> ProgressReport:
        """The next message of a stream that sent or declared all before ``next_to_send``.

        The watermark covers no more than that. May leave news behind where they exceed one
        message.
        """
        watermark = self._watermark(next_to_send)
        untold = sorted(self._untold)
        told = untold[:MAX_SAMPLED_STEPS]
        if len(untold) > len(told):
            # A window must not close before all its sampled steps are told.
            watermark = min(watermark, untold[len(told)] - 1)
        self._untold.difference_update(told)
        self._told_watermark = max(self._told_watermark, watermark)
        count = min(len(self._scalars), MAX_SCALARS)
        scalars = [self._scalars.popleft() for _ in range(count)]
        return ProgressReport(self._told_watermark, told, scalars)

    def _watermark(self, next_to_send: int) -> int:
        covered = bisect.bisect_left(self._done_seqs, next_to_send)
        return self._done_steps[covered - 1] if covered else -1

    def _forget(self, count: int) -> None:
        for step in self._steps[:count]:
            del self._last_seq[step]
            self._untold.discard(step)
        del self._steps[:count]
