"""Sources that know what they sent and what was acked, and what must then be counted.

Source s reports 3**s observations of every unit in each step. A window is one step, so
the digits of its count in base 3 say how often the server counted each source: never, once,
or, which must not happen, twice.
"""

from __future__ import annotations

import queue
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import grpc
from firekeeper.v1 import diagnostics_pb2, diagnostics_pb2_grpc, ingest_pb2, ingest_pb2_grpc
from firekeeper.v1 import resources_pb2, summary_pb2

LAYER = "fc.relu"
UNITS = 4
MAX_SOURCES = 8
# What the oracle needs of the server: every window is one step and stays.
FLAGS = ("--window-steps=1", "--retained-windows=1024")
MAX_STEPS = 1000


def firings_of(source: int, step: int) -> list[int]:
    """Unit 0 never fires, unit 1 always, the others now and then."""
    observations = 3**source
    return [0, observations, (step * 7 + source) % (observations + 1), step % 2]


def snapshot(source: int, step: int) -> ingest_pb2.Snapshot:
    """What a source has seen in a step: the same whenever it is asked."""
    observations = 3**source
    firings = firings_of(source, step)

    def counts(column: int, values: list[int]) -> summary_pb2.SummaryColumnData:
        data = struct.pack(f"<{len(values)}I", *values)
        return summary_pb2.SummaryColumnData(column=column, width=4, data=data)

    def reals(column: int, values: list[float]) -> summary_pb2.SummaryColumnData:
        data = struct.pack(f"<{len(values)}d", *values)
        return summary_pb2.SummaryColumnData(column=column, width=8, data=data)

    share = [fired / observations for fired in firings]
    return ingest_pb2.Snapshot(
        layer=LAYER,
        signal=resources_pb2.SIGNAL_ACTIVATION,
        phase=resources_pb2.PHASE_TRAIN,
        step=step,
        summary=summary_pb2.UnitSummary(
            unit_count=UNITS,
            columns=[
                counts(summary_pb2.SUMMARY_COLUMN_OBSERVATIONS, [observations] * UNITS),
                counts(summary_pb2.SUMMARY_COLUMN_NON_FINITE, [0] * UNITS),
                counts(summary_pb2.SUMMARY_COLUMN_FIRINGS, firings),
                counts(summary_pb2.SUMMARY_COLUMN_CLUSTERS, [observations] * UNITS),
                counts(summary_pb2.SUMMARY_COLUMN_FIRING_CLUSTERS, firings),
                counts(summary_pb2.SUMMARY_COLUMN_POSITIVES, firings),
                counts(summary_pb2.SUMMARY_COLUMN_CLOSED_HIGH, [0] * UNITS),
                counts(
                    summary_pb2.SUMMARY_COLUMN_ZEROS,
                    [observations - fired for fired in firings],
                ),
                reals(summary_pb2.SUMMARY_COLUMN_ABS_SUM, [float(fired) for fired in firings]),
                reals(summary_pb2.SUMMARY_COLUMN_MEAN, share),
                reals(
                    summary_pb2.SUMMARY_COLUMN_M2,
                    [observations * p * (1.0 - p) for p in share],
                ),
                reals(
                    summary_pb2.SUMMARY_COLUMN_MIN,
                    [0.0 if fired < observations else 1.0 for fired in firings],
                ),
                reals(summary_pb2.SUMMARY_COLUMN_MAX, [1.0 if fired else 0.0 for fired in firings]),
            ],
        ),
    )


class Source:
    """A rank that streams on a thread of its own and comes back whenever it is cut off.

    It keeps what is not durable, as the clients do: after a reconnect it goes on where the
    server says, which must never be beyond what it sent nor below what was acked as durable.
    """

    def __init__(
        self,
        run: str,
        source: int,
        sources: int,
        endpoint: Callable[[], str],
        seed: int,
        *,
        life: int = 1,
        resume: int = 0,
    ) -> None:
        self.run, self.source, self.sources = run, source, sources
        self.life, self.resume = life, resume
        self.sent = 0  # sequence numbers given; step = resume + seq - 1
        self.limit = MAX_STEPS  # sequence numbers to give at most
        self.fenced = False
        self.durable = 0
        self.reconnects = 0
        self.broken_promise = ""
        self._endpoint = endpoint
        self._random = random.Random(seed * 1000 + source)
        self._instance = self._random.getrandbits(60) + 1
        self._finish = threading.Event()
        self._abandoned = threading.Event()
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "Source":
        self._thread.start()
        return self

    def finish(self) -> None:
        """Sends nothing new and says goodbye once everything is durable."""
        self._finish.set()

    def cut(self) -> None:
        """Cuts the stream off, as a network would."""
        call = self._call
        if call is not None:
            call.cancel()

    def abandon(self) -> None:
        """Does not come back once it is cut off; returns when it was."""
        self._abandoned.set()
        self.join(30)

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise AssertionError(f"source {self.source} is not done: {self.durable}/{self.sent}")

    def _open(self) -> ingest_pb2.StreamRequest:
        return ingest_pb2.StreamRequest(
            open=ingest_pb2.Open(
                run_id=self.run,
                launch_token=f"life-{self.life}",
                resume_step=self.resume,
                source=self.source,
                source_count=self.sources,
                instance_id=self._instance,
                first_held_seq=self.durable + 1,
                layers=[
                    resources_pb2.Layer(
                        name=LAYER,
                        activation=resources_pb2.ACTIVATION_RELU,
                        unit_count=UNITS,
                    )
                ],
            )
        )

    def _run(self) -> None:
        while not self.broken_promise and not self._abandoned.is_set():
            channel = grpc.insecure_channel(
                self._endpoint(), options=[("grpc.use_local_subchannel_pool", 1)]
            )
            try:
                if self._stream(channel):
                    return
            except grpc.RpcError as error:
                self.reconnects += 1
                if error.code() == grpc.StatusCode.ABORTED:
                    self.fenced = True
                    return
            finally:
                channel.close()
            time.sleep(self._random.uniform(0.005, 0.03))

    def _stream(self, channel: grpc.Channel) -> bool:
        """One stream; True when the server has said goodbye."""
        requests: queue.Queue[ingest_pb2.StreamRequest | None] = queue.Queue()

        def drain() -> Iterator[ingest_pb2.StreamRequest]:
            while (request := requests.get()) is not None:
                yield request

        requests.put(self._open())
        call = ingest_pb2_grpc.IngestServiceStub(channel).Stream(drain(), timeout=120)
        self._call = call
        try:
            opened = next(call).opened
            self._check(opened.accepted_seq, opened.durable_seq)
            return self._send_from(opened.accepted_seq + 1, requests, call)
        finally:
            requests.put(None)
            call.cancel()

    def _send_from(self, seq: int, requests: Any, call: Any) -> bool:
        in_flight = 0
        goodbye = False
        while True:
            # A handful ahead of the acks, so that some are on the way when the end comes.
            while not goodbye and in_flight < 8:
                fresh = seq > self.sent
                if fresh and (self._finish.is_set() or self.sent >= self.limit):
                    close = ingest_pb2.Close(final_seq=self.sent)
                    requests.put(ingest_pb2.StreamRequest(close=close))
                    goodbye = True
                    break
                self.sent = max(self.sent, seq)
                message = ingest_pb2.Batch(
                    first_seq=seq, snapshots=[snapshot(self.source, self.resume + seq - 1)]
                )
                requests.put(ingest_pb2.StreamRequest(batch=message))
                done = ingest_pb2.Progress(complete_through_step=self.resume + seq - 1)
                requests.put(ingest_pb2.StreamRequest(progress=done))
                seq += 1
                in_flight += 1
            try:
                response = next(call)
            except StopIteration:
                return goodbye and self.durable == self.sent
            if response.HasField("reject"):
                self.broken_promise = f"refused: {response.reject}"
                return True
            if response.HasField("fenced"):
                continue
            if response.HasField("ack"):
                self._check(response.ack.accepted_seq, response.ack.durable_seq)
                in_flight = max(0, seq - 1 - response.ack.accepted_seq)

    def _check(self, accepted: int, durable: int) -> None:
        if durable < self.durable:
            self.broken_promise = f"durable went from {self.durable} back to {durable}"
        if not durable <= accepted <= self.sent:
            self.broken_promise = f"accepted {accepted}, durable {durable}, sent {self.sent}"
        self.durable = max(self.durable, durable)


class Counted:
    """What the server has counted of a run; nothing of one that nobody opened."""

    def __init__(self, endpoint: str, run: str) -> None:
        self.observations: dict[int, int] = {}
        self.firing_ratio: dict[int, float] = {}
        request = diagnostics_pb2.GetLayerHistoryRequest(
            run_id=run,
            layer=LAYER,
            signal=resources_pb2.SIGNAL_ACTIVATION,
            phase=resources_pb2.PHASE_TRAIN,
            page_size=1000,
        )
        with grpc.insecure_channel(endpoint) as channel:
            stub = diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)
            try:
                while True:
                    page = stub.GetLayerHistory(request, timeout=30)
                    self._take(page)
                    if not page.next_page_token:
                        break
                    request.page_token = page.next_page_token
            except grpc.RpcError as error:
                # That acked steps are missing then is for verify() to say.
                if error.code() != grpc.StatusCode.NOT_FOUND:
                    raise

    def _take(self, page: diagnostics_pb2.GetLayerHistoryResponse) -> None:
        for window in page.windows:
            assert window.window_end_step == window.window_first_step + 1
            self.observations[window.window_first_step] = window.observations
            self.firing_ratio[window.window_first_step] = window.firing_ratio

    def times(self, source: int, step: int) -> int:
        """How often a source's contribution to a step was counted."""
        return self.observations.get(step, 0) // 3**source % 3


class Sender(Protocol):
    """A source: what it sent at most, and what was acked to it at least."""

    source: int
    resume: int
    sent: int
    durable: int
    broken_promise: str


def verify(
    counted: Counted,
    sources: Sequence[Sender],
    *,
    complete: bool,
    before: int = 0,
    end: int = MAX_STEPS + 1,
) -> None:
    """Acked is in counted, counted in sent, each once; equal where ``complete``.

    Steps below ``before`` belong to an earlier life of the sources, those from ``end`` on to
    a later one.
    """
    for source in sources:
        assert not source.broken_promise, f"source {source.source}: {source.broken_promise}"
        for step in range(before, end):
            times = counted.times(source.source, step)
            seq = step - source.resume + 1
            where = f"source {source.source}, step {step}: counted {times} times"
            assert times <= 1, where
            if seq <= source.durable:
                assert times == 1, f"{where}, although it was acked as durable"
            if seq > source.sent:
                assert times == 0, f"{where}, although it was never sent"
            if complete and seq <= source.sent:
                assert times == 1, where
    for step, observations in counted.observations.items():
        counting = [each.source for each in sources if counted.times(each.source, step)]
        firings = [firings_of(source, step) for source in counting]
        ratio = sum(sum(of_unit) for of_unit in zip(*firings)) / observations / UNITS
        assert abs(counted.firing_ratio[step] - ratio) < 1e-12, f"step {step}: other firings"


def finish_and_verify(endpoint: str, sources: list[Source], *, before: int = 0) -> None:
    """Every source of a run says goodbye; everything must then be counted once."""
    for source in sources:
        source.finish()
    for source in sources:
        source.join(90)
    counted = Counted(endpoint, sources[0].run)
    verify(counted, sources, complete=True, before=before)
