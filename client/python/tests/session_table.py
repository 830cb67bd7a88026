"""A StreamSession with a clock, a ring and a server that a test plays by hand."""

from __future__ import annotations

import logging
from typing import Any, List, Optional

from firekeeper._encoding import encode
from firekeeper._outbox import SessionSettings
from firekeeper._pending import Column, Summary
from firekeeper._progress import ProgressLog
from firekeeper._retry import Code, StreamEnd
from firekeeper._ring import RawTensor, Ring, Slot, SnapshotKey
from firekeeper._session import StreamSession
from firekeeper._vocabulary import Phase, Signal
from firekeeper.v1 import ingest_pb2

MESSAGE_BYTES = 1000
PLENTY = 1_000_000


class Pending:
    """A summary of one unit whose first column has ``size`` bytes."""

    def __init__(self, size: int = 10, fails: bool = False) -> None:
        self.samples = 1
        self.approximate_bytes = size
        self._fails = fails
        self.resolved = 0

    def resolve(self) -> Summary:
        self.resolved += 1
        if self._fails:
            raise RuntimeError("the device is lost")
        return Summary(1, {1: Column(1, b"s" * self.approximate_bytes)}, True)


class SessionTable:
    """Both sides of the wire."""

    def __init__(self, credit: int = PLENTY, ring_bytes: int = 1 << 20) -> None:
        self.now = 3600.0
        self.credit = credit
        self.random = 0.5
        self.ring = Ring(ring_bytes)
        self.progress = ProgressLog()
        self.session = StreamSession(
            ingest_pb2.Open(run_id="run", source_count=1),
            SessionSettings(message_bytes=MESSAGE_BYTES),
            self.ring,
            self.progress,
            lambda: self.random,
        )

    def push_summary(self, step: int, size: int = 10) -> int:
        key = SnapshotKey("fc", Signal.ACTIVATION, Phase.TRAIN, step, 0)
        return self.ring.push(Slot(key, Pending(size), 1, size))

    def push_tensor(self, step: int, size: int, cluster_axis: Optional[int] = 0) -> int:
        key = SnapshotKey("fc", Signal.ACTIVATION, Phase.TRAIN, step, 0)
        data = bytes(index % 251 for index in range(size))
        tensor = RawTensor(2, (size // 4, 1), 1, cluster_axis, data, b"m" * (size // 32))
        return self.ring.push(Slot(key, tensor, size // 4, size))

    def begin(self) -> ingest_pb2.Open:
        request = ingest_pb2.StreamRequest.FromString(self.session.begin(self.now))
        return request.open

    def answer(self, **message: Any) -> Optional[StreamEnd]:
        return self.session.on_response(ingest_pb2.StreamResponse(**message), self.now)

    def open(self, accepted_seq: int = 0, **opened: Any) -> None:
        """Begins a stream that the server opens at once."""
        self.begin()
        message = ingest_pb2.Opened(accepted_seq=accepted_seq, credit_bytes=self.credit, **opened)
        assert self.answer(opened=message) is None

    def ack(self, accepted: int, credit: int = 0, durable: int = 0) -> Optional[StreamEnd]:
        return self.answer(
            ack=ingest_pb2.Ack(accepted_seq=accepted, durable_seq=durable, credit_bytes=credit)
        )

    def end(self, code: Code, message: str = "", retry_after: float = 0.0) -> Optional[float]:
        return self.session.end(StreamEnd(code, message, retry_after), self.now)

    def drain_bytes(self) -> List[bytes]:
        """Everything the session has to send now, as a sender would get it."""
        messages: List[bytes] = []
        while True:
            for seq in self.session.unresolved(self.now):
                slot = self.ring.find(seq)
                assert slot is not None and slot.content is not None
                self.ring.settle(seq, encode(slot.key, slot.content, 1))
            message = self.session.next(self.now)
            if message is None:
                return messages
            messages.append(message)

    def drain(self) -> List[ingest_pb2.StreamRequest]:
        return [ingest_pb2.StreamRequest.FromString(each) for each in self.drain_bytes()]

    def errors_logged(self) -> int:
        return sum(line.level == logging.ERROR for line in self.session.take_log())
