"""The client's side of IngestService.Stream, free of gRPC, threads and clocks.

What to send next, what an answer means, and whether to come back.
"""

from __future__ import annotations

import logging
from typing import Callable, List, NamedTuple, Optional

from firekeeper._names import is_power_of_two
from firekeeper._outbox import Outbox, SessionSettings
from firekeeper._progress import ProgressLog
from firekeeper._retry import AfterEnd, Backoff, Code, StreamEnd, classify
from firekeeper._ring import Ring
from firekeeper._status import FINAL_STATES, ConnectionState
from firekeeper.v1 import ingest_pb2

# Errors that trying again rarely mends.
MAX_REFUSALS = 5
LONGEST_RETRY_AFTER_SECONDS = 60.0


class LogLine(NamedTuple):
    """A line to log, never a payload or a token.

    Attributes:
        level: of the logging module.
        text: one line.
    """

    level: int
    text: str


class StreamSession:
    """One source's conversation with the server, from stream to stream.

    The ring and the log are the caller's to fill. Times are seconds of one steady clock.

    Args:
        opening: what every Open says, but for first_held_seq.
        settings: tuning.
        ring: what waits.
        progress: how far the training is.
        random: uniform in [0, 1), for jitter.
    """

    def __init__(
        self,
        opening: ingest_pb2.Open,
        settings: SessionSettings,
        ring: Ring,
        progress: ProgressLog,
        random: Callable[[], float],
    ) -> None:
        self._opening = opening
        self._settings = settings
        self._ring = ring
        self._progress = progress
        self._backoff = Backoff(
            settings.backoff_shortest_seconds, settings.backoff_longest_seconds, random
        )
        self._state = ConnectionState.CONNECTING
        self._last_error = ""
        self._error_logged = False  # _last_error was, since the last Opened
        self._log: List[LogLine] = []
        self._streams_opened = 0
        self._refusals = 0  # streams ended by an error since the mark last moved
        self._oversize_logged = False
        self._closing = False
        self._closed_cleanly = False
        # Of the stream that is open.
        self._fenced = False
        self._outbox: Optional[Outbox] = None  # since Opened
        self._is_durable = False
        self._began = 0.0
        self._throttled_until = 0.0

    @property
    def state(self) -> ConnectionState:
        """Where the session stands."""
        return self._state

    @property
    def final(self) -> bool:
        """Nothing more will be sent."""
        return self._state in FINAL_STATES

    @property
    def last_error(self) -> str:
        """Why the last stream ended; empty: none has."""
        return self._last_error

    @property
    def streams_opened(self) -> int:
        """Streams that the server answered with Opened."""
        return self._streams_opened

    @property
    def close_sent(self) -> bool:
        """This stream's last message was given out."""
        return self._outbox is not None and self._outbox.close_sent

    @property
    def closed_cleanly(self) -> bool:
        """Close was sent and the server ended the stream with OK."""
        return self._closed_cleanly

    def begin(self, now: float) -> bytes:
        """A stream begins: its first message. Requires that no stream is open."""
        self._state = ConnectionState.CONNECTING
        self._outbox = None
        self._began = now
        self._throttled_until = now
        opening = ingest_pb2.Open()
        opening.CopyFrom(self._opening)
        opening.first_held_seq = self._ring.first_held
        message: bytes = ingest_pb2.StreamRequest(open=opening).SerializeToString()
        return message

    def timed_out(self, now: float) -> bool:
        """The server does not answer Open: cancel the stream."""
        return (
            self._state is ConnectionState.CONNECTING
            and now >= self._began + self._settings.open_seconds
        )

    def wake_at(self, now: float) -> float:
        """When to ask next() or timed_out() again if nothing else happens."""
        if self._state is ConnectionState.CONNECTING:
            return self._began + self._settings.open_seconds
        if now < self._throttled_until:
            return self._throttled_until
        if self._outbox is None or self._fenced:
            return now + self._settings.heartbeat_seconds
        return self._outbox.wake_at(now)

    @property
    def has_backlog(self) -> bool:
        """Something that is held waits for the server."""
        return self._outbox is None or self._outbox.next_to_send < self._ring.next_seq

    def unresolved(self, now: float) -> List[int]:
        """Numbers that have to be in wire form before next() can send them."""
        return self._outbox.unresolved() if self._outbox and self._may_send(now) else []

    def next(self, now: float) -> Optional[bytes]:
        """The next message, if one may be sent now. It counts as sent."""
        if self._outbox is None or not self._may_send(now):
            return None
        return self._outbox.next(now, self._closing)

    def _may_send(self, now: float) -> bool:
        return (
            self._state is ConnectionState.STREAMING
            and not self._fenced
            and now >= self._throttled_until
        )

    def begin_close(self) -> None:
        """Say goodbye once everything is sent. The end is then final."""
        self._closing = True

    def finish(self, state: ConnectionState) -> None:
        """Gives up what is buffered; ``state`` is final. Later calls change nothing."""
        if self.final:
            return
        self._state = state
        self._ring.drop_all()

    def take_log(self) -> List[LogLine]:
        """Lines to log, once."""
        lines, self._log = self._log, []
        return lines

    # Answers of the server.

    def on_response(self, response: ingest_pb2.StreamResponse, now: float) -> Optional[StreamEnd]:
        """Not None: the server broke the protocol or fenced us.

        Cancel the stream then, and hand the value to end().
        """
        kind = response.WhichOneof("message")
        if kind == "opened":
            return self._on_opened(response.opened, now)
        if kind in ("ack", "reject"):
            if self._outbox is None:
                return _protocol_error("answered before Opened")
            if kind == "ack":
                return self._on_ack(response.ack, self._outbox)
            self._on_reject(response.reject, self._outbox)
        elif kind == "throttle":
            wait = response.throttle.retry_after.ToNanoseconds() / 1e9
            self._throttled_until = now + min(max(wait, 0.0), LONGEST_RETRY_AFTER_SECONDS)
        elif kind == "fenced":
            self._fenced = True
            self._last_error = response.fenced.reason
            # The end of the stream is announced; it need not be waited for.
            return StreamEnd(Code.ABORTED, self._last_error)
        # A redirect is not sent by this version of the protocol, and would carry our token
        # to a host that nobody configured. What a later version adds is not ours to refuse.
        return None

    def _on_opened(self, opened: ingest_pb2.Opened, now: float) -> Optional[StreamEnd]:
        if self._state is not ConnectionState.CONNECTING:
            return _protocol_error("sent Opened twice")
        if opened.accepted_seq >= self._ring.next_seq:
            return _protocol_error(
                f"has snapshot {opened.accepted_seq}; only {self._ring.next_seq - 1} were given"
            )
        self._state = ConnectionState.STREAMING
        self._streams_opened += 1
        self._is_durable = opened.durability == ingest_pb2.DURABILITY_COMMITTED
        self._outbox = Outbox(
            opened, self._settings, self._ring, self._progress, now, self._note_oversized
        )
        self._acknowledge(opened.accepted_seq, opened.durable_seq)
        self._progress.on_opened(opened.accepted_seq)
        if self._streams_opened == 1 or self._error_logged:
            self._note(
                logging.INFO,
                f"streaming run {self._opening.run_id}, attempt {opened.attempt}, "
                f"source {self._opening.source}",
            )
        self._error_logged = False
        return None

    def _on_ack(self, ack: ingest_pb2.Ack, outbox: Outbox) -> Optional[StreamEnd]:
        # A tensor that is refused at its first chunk is acknowledged early.
        outbox.abandon_chunks_of(ack.accepted_seq)
        if ack.accepted_seq >= outbox.next_to_send:
            return _protocol_error(
                f"acknowledged snapshot {ack.accepted_seq}; "
                f"only {outbox.next_to_send - 1} were sent"
            )
        outbox.grant(ack.credit_bytes)
        self._acknowledge(ack.accepted_seq, ack.durable_seq)
        return None

    def _acknowledge(self, accepted: int, durable: int) -> None:
        mark = min(durable, accepted) if self._is_durable else accepted
        if mark <= self._ring.acked_seq:
            return
        self._ring.ack_through(mark)
        self._progress.on_acked(mark)
        self._refusals = 0
        self._backoff.reset()

    def _on_reject(self, reject: ingest_pb2.Reject, outbox: Outbox) -> None:
        outbox.abandon_chunks_of(reject.seq)
        # Doubling distances: a run that is refused a million times is told so twenty times.
        if self._ring.reject(reject.seq) and is_power_of_two(self._ring.rejected):
            self._note(
                logging.WARNING,
                f"the server refused snapshot {reject.seq}: {reject.status.message} "
                f"({self._ring.rejected} refused so far)",
            )

    # The end of a stream.

    def end(self, end: StreamEnd, now: float) -> Optional[float]:
        """The stream is over. Seconds to wait before begin(); None: the state is final."""
        if self.final:
            return None
        if end.code is Code.OK:
            if self.close_sent:
                self._closed_cleanly = True
                self.finish(ConnectionState.CLOSED)
                return None
            end = StreamEnd(Code.UNAVAILABLE, "the server ended the stream unasked")
        verdict = AfterEnd.FENCED if self._fenced else classify(end.code)
        if verdict is AfterEnd.RETRY_FEW_TIMES:
            self._refusals += 1
            if self._refusals >= MAX_REFUSALS:
                verdict = AfterEnd.GIVE_UP
        if verdict in (AfterEnd.FENCED, AfterEnd.GIVE_UP):
            fenced = verdict is AfterEnd.FENCED
            self._note_error(
                StreamEnd(Code.ABORTED, self._last_error) if self._fenced else end, logging.ERROR
            )
            self.finish(ConnectionState.FENCED if fenced else ConnectionState.FAILED)
            return None
        self._note_error(end, logging.WARNING)
        was_steady = now - self._began >= self._settings.backoff_longest_seconds
        if self._state is ConnectionState.STREAMING and was_steady:
            self._backoff.reset()
        self._state = ConnectionState.BACKING_OFF
        return max(self._backoff.next(), min(end.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))

    def _note_error(self, end: StreamEnd, level: int) -> None:
        text = str(end)
        is_new = not self._error_logged or text != self._last_error
        self._last_error = text
        self._error_logged = True
        if level == logging.ERROR:
            self._note(
                level,
                f"run {self._opening.run_id}, source {self._opening.source}: {text}; "
                "nothing more is sent, training goes on",
            )
        elif is_new:
            self._note(level, f"not connected, trying again: {text}")

    def _note_oversized(self, text: str) -> None:
        if not self._oversize_logged:
            self._note(logging.WARNING, text)
        self._oversize_logged = True

    def _note(self, level: int, text: str) -> None:
        self._log.append(LogLine(level, text))


def _protocol_error(what: str) -> StreamEnd:
    return StreamEnd(Code.INTERNAL, f"the server {what}")
