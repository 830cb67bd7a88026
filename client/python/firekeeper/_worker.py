"""What a Sender does in the background: one thread that owns the stream to the server.

Threads that train only append to a queue and ring a bell, both of which are single steps of
the interpreter. They take no lock, so that neither a signal handler nor a finalizer that runs
in their midst can meet one that is held, and an interrupt cannot leave half a change behind.
"""

from __future__ import annotations

import collections
import functools
import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Deque, List, Optional, Sequence, Union

from firekeeper._inbox import Bell, DoneItem, Item, ScalarItem
from firekeeper._launch_token import random_instance_id
from firekeeper._names import is_power_of_two
from firekeeper._options import SenderOptions
from firekeeper._progress import ProgressLog
from firekeeper._retry import Code, StreamEnd
from firekeeper._ring import Content, Ring, Slot, SnapshotKey
from firekeeper._status import ConnectionState, ConnectionStatus, Counters
from firekeeper._tally import Tally
from firekeeper._vocabulary import LayerSpec, Phase

if TYPE_CHECKING:
    from firekeeper._session import StreamSession
    from firekeeper._transport import StreamCall, Transport

# What is enqueued is collected for this long, or until it may fill a message: fewer messages,
# and fewer times that two threads want the interpreter and the caches.
LINGER_SECONDS = 0.1
LINGER_BYTES = 1 << 20
# How long the end of a cancelled stream is waited for.
CANCEL_SECONDS = 0.25
# A stream that takes nothing more says when it does; this is in case that it cannot.
STALLED_SECONDS = 1.0
# Items taken from the queue under one hold of the lock.
TAKE_AT_ONCE = 1000

_logger = logging.getLogger("firekeeper")


class Worker:
    """The queue, the ring and the thread of one Sender.

    put() and begin_close() may be called from anywhere at any time. The lock guards the ring,
    the progress log, the session and the plain counters; no caller's code runs under it.

    Args:
        options: accepted by check_options().
        layers: accepted by check_layers().
        launch_token: not empty.

    Attributes:
        tally: what went wrong before it came here, and here.
    """

    def __init__(
        self, options: SenderOptions, layers: Sequence[LayerSpec], launch_token: str
    ) -> None:
        self._options = options
        self._layers = list(layers)
        self._specs = {layer.name: layer for layer in layers}
        self._launch_token = launch_token
        self._inbox: Deque[Item] = collections.deque()
        # Bytes that went through the queue. Threads that put at the same time may lose a
        # little; it is set right whenever the queue is empty.
        self._put_bytes = 0
        self._taken_bytes = 0
        self._bell = Bell()
        # Of a small ring nothing may be lost for want of a bell.
        self._linger_bytes = min(LINGER_BYTES, options.ring_bytes // 4)
        self._lingers = False  # the thread collects: the bell is rung for so many bytes only
        self._answered = False  # the stream has rung the bell since the thread last looked
        # Reentrant: counters() may be called by a signal handler that interrupts counters().
        self._lock = threading.RLock()
        self._ring = Ring(options.ring_bytes)
        self._progress = ProgressLog()
        self._session: Optional[StreamSession] = None
        # Of the stream that is open.
        self._stream_number = 0
        self._given_up: Optional[StreamEnd] = None
        self._failure = ""  # why there is no session
        self._late = 0  # snapshots after the end, which got no number
        self.tally = Tally()
        self._closing = False
        self._close_by: Optional[float] = None
        self._ended = False
        self._starting = threading.Lock()
        self._thread: Optional[threading.Thread] = None

    # Called by threads that train.

    def put_snapshot(self, key: SnapshotKey, content: Content, samples: int, size: int) -> None:
        """Enqueues a snapshot that takes ``size`` bytes."""
        if self._ended or self._closing:
            with self._lock:
                self._late += 1
            return
        slot = Slot(key, content, samples, size)
        if self._put_bytes - self._taken_bytes + slot.memory_bytes > 2 * self._options.ring_bytes:
            # The worker is held up, by a device for example. Memory must not grow meanwhile:
            # the number stays, and is declared to the server as lost.
            slot = Slot(key, None, samples, 0)
        self._put_bytes += slot.memory_bytes
        self._inbox.append(slot)
        self._wake()

    def put(self, item: Union[ScalarItem, DoneItem]) -> None:
        """Enqueues news of the training."""
        if self._ended or self._closing:
            if isinstance(item, ScalarItem):
                self.tally.count_scalar_dropped()
            return
        self._inbox.append(item)
        self._wake()

    def _wake(self) -> None:
        if self._thread is None:
            self._start()
        # No item is overlooked: the thread looks at the queue after it has ceased to linger.
        if not self._lingers or self._is_plenty():
            self._bell.ring()

    def _is_plenty(self) -> bool:
        return self._put_bytes - self._taken_bytes >= self._linger_bytes

    def _start(self) -> None:
        # Never released: the first to come here starts the thread.
        if not self._starting.acquire(blocking=False):
            return
        thread = threading.Thread(target=self._run, name="firekeeper-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # Out of threads, or the interpreter is about to end.
            self._fail(f"no thread for the sender: {error}")
            return
        self._thread = thread

    # The end.

    def begin_close(self, seconds: float) -> None:
        """Sends what is left and ends, within ``seconds`` in any case. Does not wait."""
        close_by = time.monotonic() + max(seconds, 0.0)
        self._close_by = close_by if self._close_by is None else min(close_by, self._close_by)
        self._closing = True
        self._bell.ring()

    def wait_closed(self, seconds: float) -> bool:
        """Whether the server had everything before ``seconds`` were over.

        Requires begin_close().
        """
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(seconds, 0.0) + 2 * CANCEL_SECONDS)
        with self._lock:
            if self._session is None:
                return not self._failure and not self._inbox
            return self._session.closed_cleanly and self._ring.dropped == 0

    @property
    def is_running(self) -> bool:
        """Whether there may be something to send."""
        return self._thread is not None and self._thread.is_alive()

    # Called by anyone.

    def counters(self) -> Counters:
        """One consistent moment."""
        with self._lock:
            waiting = [item for item in self._inbox.copy() if isinstance(item, Slot)]
            given_up = len(waiting) if self._ended else 0
            given_up += 0 if self._ended else sum(item.content is None for item in waiting)
            streams = self._session.streams_opened if self._session else 0
            return Counters(
                enqueued=self._ring.enqueued + len(waiting) + self._late,
                acked=self._ring.acked,
                rejected=self._ring.rejected,
                dropped=self._ring.dropped + given_up + self._late,
                buffered=self._ring.buffered + len(waiting) - given_up,
                buffered_bytes=self._ring.buffered_bytes
                + (0 if self._ended else sum(item.memory_bytes for item in waiting)),
                invalid=self.tally.invalid,
                scalars_dropped=self.tally.scalars_dropped,
                reconnects=max(0, streams - 1),
                errors=self.tally.errors,
            )

    def connection(self) -> ConnectionStatus:
        """Where the sender stands."""
        with self._lock:
            if self._failure:
                return ConnectionStatus(ConnectionState.FAILED, self._failure)
            if self._session is not None:
                return ConnectionStatus(self._session.state, self._session.last_error)
            closed = self._closing and not self.is_running
            state = ConnectionState.CLOSED if closed else ConnectionState.CONNECTING
            return ConnectionStatus(state, "")

    # The thread.

    def _run(self) -> None:
        failure = ""
        try:
            self._run_streams()
        except BaseException as error:  # pylint: disable=broad-except
            # gRPC is missing, a file cannot be read, memory is out: training has nothing to
            # do with it.
            failure = f"{type(error).__name__}: {error}"
        self._finish(failure)
        self._write_log()

    def _finish(self, failure: str) -> None:
        with self._lock:
            # The state first: what is put from now on is counted as late.
            self._ended = True
            if self._session is not None:
                state = ConnectionState.FAILED if failure else ConnectionState.CLOSED
                self._session.finish(state)
            late = sum(isinstance(item, Slot) for item in self._inbox)
            self._inbox.clear()
            self._late += late
            self._ring.drop_all()
        if failure:
            self._fail(failure)

    def _fail(self, why: str) -> None:
        with self._lock:
            self._ended = True
            self._failure = why
        _logger.error("%s; nothing more is sent, training goes on", why)

    def _run_streams(self) -> None:
        # Here, because they take long to import and are not needed before.
        from firekeeper._encoding import encode_open
        from firekeeper._outbox import SessionSettings
        from firekeeper._session import StreamSession
        from firekeeper._transport import Transport

        session = StreamSession(
            encode_open(self._options, self._layers, self._launch_token, random_instance_id()),
            SessionSettings(
                backoff_shortest_seconds=self._options.backoff_shortest_seconds,
                backoff_longest_seconds=self._options.backoff_longest_seconds,
            ),
            self._ring,
            self._progress,
            random.SystemRandom().random,
        )
        transport = Transport(self._options)
        with self._lock:
            self._session = session
        while True:
            end = self._run_stream(session, transport)
            if self._is_past_close() and end.code is not Code.OK:
                return
            with self._lock:
                delay = session.end(end, time.monotonic())
            self._write_log()
            if delay is None or not self._wait_before_retry(delay):
                return

    def _run_stream(self, session: StreamSession, transport: Transport) -> StreamEnd:
        with self._lock:
            self._stream_number += 1
            self._given_up = None
            opening = session.begin(time.monotonic())
        on_response = functools.partial(self._on_response, self._stream_number)
        try:
            call = transport.open(opening, on_response, self._on_answer)
        except (OSError, ValueError) as error:
            return StreamEnd(Code.UNAVAILABLE, str(error))
        # Nothing but this frame refers to the call. In a fork of the process it is never left,
        # so that no finalizer of gRPC runs where its threads are missing.
        try:
            self._pump(session, call)
        finally:
            call.release(CANCEL_SECONDS)
        return self._given_up or call.ended or StreamEnd(Code.CANCELLED, "closed")

    def _on_response(self, stream_number: int, response: Any) -> None:
        """On the reader's thread."""
        with self._lock:
            # One that was slow to end must not speak for its successor.
            is_open = stream_number == self._stream_number and self._given_up is None
            if self._session is not None and is_open:
                self._given_up = self._session.on_response(response, time.monotonic())
        self._on_answer()

    def _on_answer(self) -> None:
        """The stream may take more, or has ended. On a thread of its own."""
        self._answered = True
        self._bell.ring()

    def _pump(self, session: StreamSession, call: StreamCall) -> None:
        """Sends until the stream has ended, is given up or time is up."""
        while call.ended is None and self._given_up is None and not self._is_past_close():
            message = self._next_message(session, call)
            self._write_log()
            if message is not None:
                call.send(message)
                if session.close_sent:
                    call.half_close()
            elif not call.takes_more:
                self._rest(STALLED_SECONDS, LINGER_SECONDS)
            else:
                now = time.monotonic()
                with self._lock:
                    wake_at = session.wake_at(now)
                    has_backlog = session.has_backlog
                self._rest(wake_at - now, LINGER_SECONDS, has_backlog=has_backlog)

    def _next_message(self, session: StreamSession, call: StreamCall) -> Optional[bytes]:
        closing = self._closing  # before the queue: what precedes it is sent
        self._answered = False
        self._take_inbox()
        now = time.monotonic()
        with self._lock:
            if closing:
                session.begin_close()
            if session.timed_out(now):
                self._given_up = StreamEnd(Code.DEADLINE_EXCEEDED, "the server did not answer Open")
                return None
            if not call.takes_more:
                return None
            wanted = session.unresolved(now)
        self._resolve(wanted)
        with self._lock:
            return session.next(time.monotonic())

    def _resolve(self, wanted: List[int]) -> None:
        """Brings snapshots into wire form; waits for their devices without the lock."""
        from firekeeper._encoding import encode

        for seq in wanted:
            if self._is_past_close():
                return
            with self._lock:
                slot = self._ring.find(seq)
                content = slot.content if slot is not None else None
            if slot is None or content is None:
                continue
            try:
                width = self._specs[slot.key.layer].width_of(slot.key.signal)
                encoded = encode(slot.key, content, width)
            except Exception as error:  # pylint: disable=broad-except
                self.tally.count_error(error)
                with self._lock:
                    self._ring.drop(seq)
                continue
            with self._lock:
                self._ring.settle(seq, encoded)

    def _take_inbox(self) -> None:
        while self._inbox:
            with self._lock:
                before = self._ring.dropped
                for _ in range(min(len(self._inbox), TAKE_AT_ONCE)):
                    self._take(self._inbox.popleft())
                dropped = self._ring.dropped
                if not self._inbox:
                    self._taken_bytes = self._put_bytes
            # Doubling distances keep the log short.
            if any(is_power_of_two(count) for count in range(before + 1, dropped + 1)):
                _logger.warning("the ring is full: %d snapshots dropped", dropped)

    def _take(self, item: Item) -> None:
        """Requires the lock."""
        if isinstance(item, Slot):
            self._taken_bytes += item.memory_bytes
            seq = self._ring.push(item)
            if item.key.phase == Phase.TRAIN:
                self._progress.note_sampled(item.key.step, seq)
        elif isinstance(item, ScalarItem):
            if not self._progress.note_scalar(item.name, item.step, item.value):
                self.tally.count_scalar_dropped()
        else:
            self._progress.note_done(item.step, self._ring.next_seq - 1)

    def _rest(self, seconds: float, linger_seconds: float, *, has_backlog: bool = True) -> None:
        """Waits for the bell, for ``seconds`` at most, and then ``linger_seconds`` for more.

        ``has_backlog``: what is held waits for the stream, whose answer ends the collecting.
        """
        if self._close_by is not None:
            seconds = min(seconds, self._close_by - time.monotonic())
        if not self._bell.wait(seconds):
            return
        end = time.monotonic() + linger_seconds
        self._lingers = True
        while self._inbox and not (self._closing or self._is_plenty()):
            left = end - time.monotonic()
            if left <= 0 or (has_backlog and self._answered):
                break
            self._bell.wait(left)
        self._lingers = False

    def _wait_before_retry(self, seconds: float) -> bool:
        """False: time is up."""
        end = time.monotonic() + seconds
        while not self._is_past_close():
            left = end - time.monotonic()
            if left <= 0:
                return True
            self._rest(left, min(left, LINGER_SECONDS), has_backlog=False)
            self._take_inbox()
        return False

    def _is_past_close(self) -> bool:
        return self._close_by is not None and time.monotonic() >= self._close_by

    def _write_log(self) -> None:
        with self._lock:
            lines = self._session.take_log() if self._session is not None else []
        for line in lines:
            _logger.log(line.level, "%s", line.text)
