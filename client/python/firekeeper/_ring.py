"""What waits to be sent or acknowledged: numbered snapshots, bounded in bytes.

Free of threads and gRPC.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Protocol, Tuple, Union

from firekeeper._pending import PendingSummary
from firekeeper._vocabulary import Phase, Signal

# What a slot takes beside its content, in bytes: an upper bound on how many snapshots,
# however small, fit the ring.
SLOT_BYTES = 400


class SnapshotKey(NamedTuple):
    """Says what a snapshot is; each counts once.

    Attributes:
        layer: one that the sender declared.
        signal: what the tensor is.
        phase: what the forward pass was for.
        step: training step.
        part: tells micro-batches or repeated calls of one step apart.
    """

    layer: str
    signal: Signal
    phase: Phase
    step: int
    part: int


class RawTensor(NamedTuple):
    """A tensor that the server is to reduce.

    Attributes:
        data_type: a ``firekeeper.v1.DataType``.
        shape: 1 to 8 axes.
        unit_axis: which of them is the unit axis.
        cluster_axis: which of them holds independent examples; None: none is known.
        data: little-endian values, row-major.
        mask: one bit for every entry of the other axes, least significant first; empty: all
            are valid.
        scale: value = stored value * scale.
    """

    data_type: int
    shape: Tuple[int, ...]
    unit_axis: int
    cluster_axis: Optional[int]
    data: bytes
    mask: bytes = b""
    scale: float = 1.0


class Encoded(Protocol):
    """A snapshot in its wire form."""

    @property
    def wire_bytes(self) -> int:
        """Its serialized size."""


# Nothing here depends on which of these it is; _encoding turns the others into the last.
Content = Union[PendingSummary, RawTensor, Encoded]


class Slot:
    """A number of the ring and what it stands for.

    Attributes:
        key: what was observed.
        content: the snapshot; None: dropped or refused.
        samples: observations of one unit.
        memory_bytes: what it counts against the capacity.
    """

    __slots__ = ("key", "content", "samples", "memory_bytes")

    def __init__(
        self, key: SnapshotKey, content: Optional[Content], samples: int, content_bytes: int
    ) -> None:
        self.key = key
        self.content = content
        self.samples = samples
        self.memory_bytes = SLOT_BYTES + content_bytes


class LostRange(NamedTuple):
    """Numbers [from_seq, to_seq] that will not be sent, and what they stood for.

    Attributes:
        from_seq: first number.
        to_seq: last number, inclusive.
        first_step: least step.
        last_step: greatest step, inclusive.
        samples: observations lost.
    """

    from_seq: int
    to_seq: int
    first_step: int
    last_step: int
    samples: int


class _Extent:
    """Steps and observations of numbers that are gone."""

    def __init__(self) -> None:
        self.steps: Optional[Tuple[int, int]] = None
        self.samples = 0

    def add(self, first_step: int, last_step: int, samples: int) -> None:
        if self.steps is not None:
            first_step = min(first_step, self.steps[0])
            last_step = max(last_step, self.steps[1])
        self.steps = (first_step, last_step)
        self.samples += samples

    def join(self, other: _Extent) -> None:
        if other.steps is not None:
            self.add(*other.steps, other.samples)


class Ring:
    """Numbers start at 1 and have no holes.

    Those in [first_held, next_seq) have a slot; all before are gone for good, by ack or by
    drop. A slot without content is a number that was given up or refused while older ones
    are still held. At every moment enqueued = acked + rejected + dropped + buffered.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity = capacity_bytes
        self._slots: Dict[int, Slot] = {}
        self._first_held = 1  # > _acked_seq
        self._acked_seq = 0
        self._acked_extent = _Extent()  # of numbers <= _acked_seq
        self._dropped_extent = _Extent()  # of numbers in (_acked_seq, _first_held)
        self._bytes = 0  # of all slots
        self._acked = 0
        self._rejected = 0
        self._dropped = 0
        self._buffered = 0

    @property
    def first_held(self) -> int:
        """The oldest number that has a slot, or the next to be given."""
        return self._first_held

    @property
    def next_seq(self) -> int:
        """The number that the next snapshot gets."""
        return self._first_held + len(self._slots)

    @property
    def acked_seq(self) -> int:
        """The server has everything up to this one."""
        return self._acked_seq

    @property
    def enqueued(self) -> int:
        """Snapshots that got a number."""
        return self.next_seq - 1

    @property
    def acked(self) -> int:
        """Snapshots that the server has."""
        return self._acked

    @property
    def rejected(self) -> int:
        """Snapshots that the server refused."""
        return self._rejected

    @property
    def dropped(self) -> int:
        """Snapshots that were given up."""
        return self._dropped

    @property
    def buffered(self) -> int:
        """Snapshots held."""
        return self._buffered

    @property
    def buffered_bytes(self) -> int:
        """Memory of all slots; at most the capacity."""
        return self._bytes

    def push(self, slot: Slot) -> int:
        """Numbers ``slot`` and makes room by dropping the oldest, sent or not.

        One that is larger than the ring is dropped itself, and so is one without content.
        """
        seq = self.next_seq
        if slot.memory_bytes > self._capacity:
            # Everything older would have to go and it would still not fit.
            slot.content = None
            slot.memory_bytes = SLOT_BYTES
        if slot.content is None:
            self._dropped += 1
        else:
            self._buffered += 1
        self._bytes += slot.memory_bytes
        self._slots[seq] = slot
        self._make_room()
        return seq

    def settle(self, seq: int, encoded: Encoded) -> bool:
        """The content of ``seq`` in its wire form. False: it is not held any more."""
        slot = self._slots.get(seq)
        if slot is None or slot.content is None:
            return False
        slot.content = encoded
        memory_bytes = SLOT_BYTES + encoded.wire_bytes
        self._bytes += memory_bytes - slot.memory_bytes
        slot.memory_bytes = memory_bytes
        self._make_room()
        return seq >= self._first_held

    def ack_through(self, seq: int) -> None:
        """The server has everything up to ``seq``; numbers never given are ignored."""
        seq = min(seq, self.next_seq - 1)
        if seq <= self._acked_seq:
            return
        self._acked_seq = seq
        while self._first_held <= seq:
            slot = self._slots[self._first_held]
            if self._release(slot):
                self._acked += 1
            self._remove_front(slot, self._acked_extent)
        if self._first_held == seq + 1:
            self._acked_extent.join(self._dropped_extent)
            self._dropped_extent = _Extent()

    def reject(self, seq: int) -> bool:
        """Frees a snapshot that was refused. False, changing nothing: none is held."""
        slot = self._slots.get(seq)
        if slot is None or not self._release(slot):
            return False
        self._rejected += 1
        return True

    def drop(self, seq: int) -> bool:
        """Gives a snapshot up. False, changing nothing: none is held."""
        slot = self._slots.get(seq)
        if slot is None or not self._release(slot):
            return False
        self._dropped += 1
        return True

    def drop_all(self) -> None:
        """Gives everything up; the numbers go on."""
        while self._slots:
            self._drop_front()

    def find(self, seq: int) -> Optional[Slot]:
        """The slot of ``seq``; None: it has none."""
        return self._slots.get(seq)

    def lost_from(self, seq: int) -> Optional[LostRange]:
        """The longest range from ``seq`` on that cannot be sent.

        None where ``seq`` is held or has not been given.
        """
        if not 1 <= seq < self.next_seq:
            return None
        extent = _Extent()
        if seq < self._first_held:
            extent.join(self._dropped_extent)
            # A server that lost its memory asks for what it once acknowledged.
            if seq <= self._acked_seq:
                extent.join(self._acked_extent)
        end = max(seq, self._first_held)
        while end < self.next_seq and self._slots[end].content is None:
            slot = self._slots[end]
            extent.add(slot.key.step, slot.key.step, slot.samples)
            end += 1
        if end == seq:
            return None
        first_step, last_step = extent.steps or (0, 0)
        return LostRange(seq, end - 1, first_step, last_step, extent.samples)

    def _make_room(self) -> None:
        while self._bytes > self._capacity and self._slots:
            self._drop_front()

    def _drop_front(self) -> None:
        slot = self._slots[self._first_held]
        if self._release(slot):
            self._dropped += 1
        self._remove_front(slot, self._dropped_extent)

    def _remove_front(self, slot: Slot, extent: _Extent) -> None:
        extent.add(slot.key.step, slot.key.step, slot.samples)
        self._bytes -= slot.memory_bytes
        del self._slots[self._first_held]
        self._first_held += 1

    def _release(self, slot: Slot) -> bool:
        """Frees the content; the slot stays. False: there was none."""
        if slot.content is None:
            return False
        slot.content = None
        self._bytes -= slot.memory_bytes - SLOT_BYTES
        slot.memory_bytes = SLOT_BYTES
        self._buffered -= 1
        return True
