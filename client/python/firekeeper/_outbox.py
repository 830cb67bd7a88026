"""What one stream sends next, and what the server's credit has to say to it."""

from __future__ import annotations

import dataclasses
from typing import Callable, List, NamedTuple, Optional

from firekeeper import _encoding
from firekeeper._encoding import Batch, EncodedSummary, EncodedTensor
from firekeeper._progress import ProgressLog
from firekeeper._ring import Ring
from firekeeper.v1 import ingest_pb2

MAX_BATCH_SNAPSHOTS = 256


@dataclasses.dataclass(frozen=True)
class SessionSettings:
    """What a session is tuned with.

    Attributes:
        backoff_shortest_seconds: see SenderOptions.
        backoff_longest_seconds: see SenderOptions.
        heartbeat_seconds: a source that says nothing for a minute counts as gone.
        progress_seconds: progress is collected for this long.
        open_seconds: Opened must come within this.
        message_bytes: data of one message; the server's limits may make it smaller.
    """

    backoff_shortest_seconds: float = 0.1
    backoff_longest_seconds: float = 10.0
    heartbeat_seconds: float = 20.0
    progress_seconds: float = 0.1
    open_seconds: float = 20.0
    message_bytes: int = 1 << 20


class _Chunk(NamedTuple):
    """The next chunk of the tensor in flight."""

    seq: int
    tensor: EncodedTensor
    number: int


class Outbox:
    """The sending side of a stream that the server has opened.

    Args:
        opened: the server's answer.
        settings: tuning.
        ring: what waits.
        progress: how far the training is.
        now: seconds of the clock that all times here are of.
        on_oversized: told why a snapshot can never be sent.
    """

    def __init__(
        self,
        opened: ingest_pb2.Opened,
        settings: SessionSettings,
        ring: Ring,
        progress: ProgressLog,
        now: float,
        on_oversized: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._ring = ring
        self._progress = progress
        self._on_oversized = on_oversized
        self._max_tensor_bytes = opened.limits.max_tensor_bytes
        limits = (opened.limits.max_message_bytes, opened.limits.credit_window_bytes)
        self._message_limits = [limit for limit in limits if limit > 0]
        # Half of a limit: two messages can then be on their way.
        halves = [limit // 2 for limit in self._message_limits]
        self._message_bytes = max(1, min([settings.message_bytes, *halves]))
        self._credit_bytes = opened.credit_bytes
        self._sent_bytes = 0  # <= _credit_bytes
        self._next_to_send = opened.accepted_seq + 1
        self._chunk: Optional[_Chunk] = None
        self._control: Optional[bytes] = None  # waits for credit
        self._control_is_close = False
        self._close_sent = False
        self._last_progress = now

    @property
    def next_to_send(self) -> int:
        """Everything before this number was sent or declared lost on this stream."""
        return self._next_to_send

    @property
    def close_sent(self) -> bool:
        """The last message was given out."""
        return self._close_sent

    def grant(self, credit_bytes: int) -> None:
        """The server takes this many bytes in total."""
        self._credit_bytes = max(self._credit_bytes, credit_bytes)

    def abandon_chunks_of(self, seq: int) -> None:
        """The server has done with ``seq``: if it is in flight, its other chunks stay here."""
        if self._chunk is not None and self._chunk.seq == seq:
            # Of a tensor that waits for credit the server has seen nothing.
            if self._chunk.number > 0:
                self._next_to_send += 1
            self._chunk = None

    def wake_at(self, now: float) -> float:
        """When to ask next() again if nothing else happens."""
        # An answer of the server ends these; the transport then looks again.
        if self._control or self._chunk or self._close_sent:
            return now + self._settings.heartbeat_seconds
        has_news = self._progress.has_news(self._next_to_send)
        wait = self._settings.progress_seconds if has_news else self._settings.heartbeat_seconds
        return self._last_progress + wait

    def unresolved(self) -> List[int]:
        """Numbers that have to be in wire form before next() can send them.

        Empty where nothing may be sent now; else as many as one message may hold.
        """
        if self._close_sent or self._chunk is not None or self._control is not None:
            return []
        budget = self._room()
        wanted: List[int] = []
        for seq in range(self._next_to_send, self._next_to_send + MAX_BATCH_SNAPSHOTS):
            slot = self._ring.find(seq)
            if slot is None or budget < 0:
                break
            budget -= slot.memory_bytes
            if slot.content is not None and not _is_encoded(slot.content):
                wanted.append(seq)
        return wanted

    def next(self, now: float, closing: bool) -> Optional[bytes]:
        """The next message, if one may be sent now. It counts as sent.

        Args:
            now: seconds.
            closing: say goodbye once everything is sent.
        """
        if self._close_sent:
            return None
        # The chunks of a tensor follow each other with nothing between them.
        if self._chunk is not None:
            return self._next_chunk(self._chunk)
        if self._control is None:
            self._prepare_control(now, closing)
        if self._control is not None:
            return self._next_control(self._control)
        return self._next_snapshots()

    def _room(self) -> int:
        """Bytes that the next message may have."""
        return min(self._message_bytes, self._credit_bytes - self._sent_bytes)

    def _charge(self, wire_bytes: int) -> bool:
        """False: the credit does not cover it now."""
        if wire_bytes > self._credit_bytes - self._sent_bytes:
            return False
        self._sent_bytes += wire_bytes
        return True

    def _progress_is_due(self, now: float, closing: bool) -> bool:
        if now >= self._last_progress + self._settings.heartbeat_seconds:
            return True
        return self._progress.has_news(self._next_to_send) and (
            closing or now >= self._last_progress + self._settings.progress_seconds
        )

    def _prepare_control(self, now: float, closing: bool) -> None:
        """Puts the next gap, progress or close into _control, if one is due."""
        self._drop_oversized()
        lost = self._ring.lost_from(self._next_to_send)
        if lost is not None:
            self._control = _encoding.gap_message(lost)
            self._next_to_send = lost.to_seq + 1
        elif self._progress_is_due(now, closing):
            self._control = _encoding.progress_message(self._progress.take(self._next_to_send))
            self._last_progress = now
        elif closing and self._next_to_send == self._ring.next_seq:
            self._control = _encoding.close_message(self._ring.next_seq - 1)
            self._control_is_close = True

    def _next_control(self, message: bytes) -> Optional[bytes]:
        if not self._charge(len(message)):
            return None
        self._control = None
        self._close_sent = self._control_is_close
        return message

    def _drop_oversized(self) -> None:
        """What no credit can ever cover is given up; it is then declared as a gap."""
        seq = self._next_to_send
        slot = self._ring.find(seq)
        while slot is not None:
            why = self._too_large(seq, slot.content)
            if not why:
                return
            self._on_oversized(f"dropped a snapshot of layer {slot.key.layer}: {why}")
            self._ring.drop(seq)
            seq += 1
            slot = self._ring.find(seq)

    def _too_large(self, seq: int, content: object) -> str:
        """Why ``content`` cannot be sent; empty: it can, or is not known yet."""
        if not isinstance(content, (EncodedSummary, EncodedTensor)):
            return ""
        snapshot_bytes = content.wire_bytes
        if isinstance(content, EncodedTensor):
            data_bytes = len(content.data)
            if 0 < self._max_tensor_bytes < data_bytes:
                return f"tensor of {data_bytes} bytes; the server takes {self._max_tensor_bytes}"
            if data_bytes > self._message_bytes:
                if not content.can_be_cut:
                    return (
                        f"tensor of {data_bytes} bytes, whose cluster axis keeps it in one "
                        f"piece; the server takes {self._message_bytes}"
                    )
                # The first chunk is the largest: the mask goes with it.
                snapshot_bytes = sum(map(len, content.chunk_pieces(0, self._message_bytes)))
        size = Batch(seq).wire_bytes_with(snapshot_bytes)
        for limit in self._message_limits:
            if size > limit:
                return f"message of {size} bytes; the server takes {limit}"
        return ""

    def _next_snapshots(self) -> Optional[bytes]:
        slot = self._ring.find(self._next_to_send)
        content = slot.content if slot is not None else None
        if isinstance(content, EncodedTensor) and len(content.data) > self._message_bytes:
            self._chunk = _Chunk(self._next_to_send, content, 0)
            return self._next_chunk(self._chunk)
        return self._next_batch()

    def _next_batch(self) -> Optional[bytes]:
        # At least one; more while they fit both the message and the credit, so that a nearly
        # spent credit does not hold up what it still covers.
        batch = Batch(self._next_to_send)
        while len(batch) < MAX_BATCH_SNAPSHOTS:
            slot = self._ring.find(self._next_to_send + len(batch))
            content = slot.content if slot is not None else None
            if not isinstance(content, (EncodedSummary, EncodedTensor)):
                break
            if len(batch) and batch.wire_bytes_with(content.wire_bytes) > self._room():
                break
            batch.add(content.pieces())
        if not len(batch) or not self._charge(batch.wire_bytes):
            return None
        self._next_to_send += len(batch)
        return batch.message()

    def _next_chunk(self, chunk: _Chunk) -> Optional[bytes]:
        batch = Batch(chunk.seq)
        batch.add(chunk.tensor.chunk_pieces(chunk.number, self._message_bytes))
        if not self._charge(batch.wire_bytes):
            return None
        if chunk.number + 1 == chunk.tensor.chunk_count(self._message_bytes):
            self._chunk = None
            self._next_to_send += 1
        else:
            self._chunk = chunk._replace(number=chunk.number + 1)
        return batch.message()


def _is_encoded(content: object) -> bool:
    return isinstance(content, (EncodedSummary, EncodedTensor))
