"""Sources that stream ready-made summaries: the load of the other programs.

What is sent was reduced and encoded by the Python client. Messages are joined from bytes, so
that thousands of streams cost the sender little: the server is what is measured.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any, List, NamedTuple, Sequence

import workshop  # noqa: F401  pylint: disable=unused-import  (sets the path)

import grpc
import numpy as np
from firekeeper import Activation, ActivationSpec, Phase, Signal
from firekeeper import _encoding, _firing_rule, _native
from firekeeper._ring import SnapshotKey
from firekeeper.v1 import ingest_pb2, ingest_pb2_grpc, resources_pb2

ROWS = 16
# What the server allows on a connection.
STREAMS_PER_CONNECTION = 16
_SUMMARY_FIELD = b"\x3a"
_BATCH_FIELD = b"\x12"
_SNAPSHOTS_FIELD = b"\x12"
_FIRST_SEQ_FIELD = b"\x08"


class Shape(NamedTuple):
    """The layers of a run, all alike: a count of layers, and of units of each."""

    layers: int
    units: int

    @property
    def names(self) -> List[str]:
        return [f"layer.{i}" for i in range(self.layers)]


def _framed(field: bytes, content: bytes) -> bytes:
    return field + _encoding._varint(len(content)) + content


@functools.lru_cache(maxsize=8)
def summary_field(units: int, signal: Signal = Signal.ACTIVATION) -> bytes:
    """The field of a Snapshot that holds a summary of 16 examples; every eighth unit is silent."""
    values = np.maximum(np.random.default_rng(1).standard_normal((ROWS, units), np.float32), 0)
    values[:, ::8] = 0
    reducer = _native.load()
    assert reducer is not None, "the compiled reduction is not there"
    rule = _firing_rule.rule_for(signal, ActivationSpec(Activation.RELU))
    cluster_axis = None if signal == Signal.WEIGHT else 0
    summary = reducer.reduce(values, rule, unit_axis=1, cluster_axis=cluster_axis).resolve()
    key = SnapshotKey("layer", signal, Phase.TRAIN, 0, 0)
    encoded = _encoding.EncodedSummary(key, summary).message
    snapshot = ingest_pb2.Snapshot.FromString(encoded)
    return _framed(_SUMMARY_FIELD, snapshot.summary.SerializeToString())


def snapshot_bytes(
    layer: str, units: int, step: int, part: int = 0, signal: Signal = Signal.ACTIVATION
) -> bytes:
    """A Snapshot."""
    key = ingest_pb2.Snapshot(
        layer=layer, signal=int(signal), phase=resources_pb2.PHASE_TRAIN, step=step, part=part
    )
    return key.SerializeToString() + summary_field(units, signal)


def batch_request(seq: int, snapshots: Sequence[bytes]) -> bytes:
    """A StreamRequest."""
    framed = b"".join(_framed(_SNAPSHOTS_FIELD, snapshot) for snapshot in snapshots)
    return _framed(_BATCH_FIELD, _FIRST_SEQ_FIELD + _encoding._varint(seq) + framed)


def opening(
    run: str, shape: Shape, source: int = 0, source_count: int = 1, instance: int = 0
) -> ingest_pb2.Open:
    return ingest_pb2.Open(
        run_id=run,
        launch_token="bench",
        source=source,
        source_count=source_count,
        instance_id=instance or source + 1,
        first_held_seq=1,
        layers=[
            resources_pb2.Layer(
                name=name,
                activation=resources_pb2.ACTIVATION_RELU,
                unit_count=shape.units,
                order=order,
            )
            for order, name in enumerate(shape.names)
        ],
    )


def progress_request(step: int) -> bytes:
    message = ingest_pb2.Progress(complete_through_step=step, sampled_steps=[max(step, 0)])
    request: bytes = ingest_pb2.StreamRequest(progress=message).SerializeToString()
    return request


def connect(endpoint: str) -> Any:
    """A connection of its own; not shared with others to the same server."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(endpoint, options=options)


def report_runs(endpoint: str, names: Sequence[str], shape: Shape) -> None:
    """Runs that said one thing and are left alone."""
    snapshots = [
        ingest_pb2.Snapshot.FromString(snapshot_bytes(layer, shape.units, 0))
        for layer in shape.names
    ]
    batch = ingest_pb2.Batch(first_seq=1, snapshots=snapshots)
    with grpc.insecure_channel(endpoint) as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        for name in names:
            request = ingest_pb2.ReportRequest(open=opening(name, shape), batches=[batch])
            stub.Report(request, timeout=30)


class Source:
    """One stream, from Open on; for use by one task."""

    def __init__(self, channel: Any, shape: Shape, signal: Signal = Signal.ACTIVATION) -> None:
        self.shape = shape
        self._signal = signal
        self.seq = 0
        self.accepted = 0
        self.sent_bytes = 0
        self._credit = 0
        self._news = asyncio.Event()
        self._reader: Any = None
        self._failure = ""
        self._call = channel.stream_stream(
            "/firekeeper.v1.IngestService/Stream",
            request_serializer=None,
            response_deserializer=ingest_pb2.StreamResponse.FromString,
        )()

    async def open(self, message: ingest_pb2.Open) -> "Source":
        await self._call.write(ingest_pb2.StreamRequest(open=message).SerializeToString())
        response = await self._call.read()
        if response is grpc.aio.EOF:
            raise RuntimeError(f"{await self._call.code()}: {await self._call.details()}")
        self._credit = response.opened.credit_bytes
        self._reader = asyncio.ensure_future(self._read())
        return self

    async def _read(self) -> None:
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                if response.HasField("reject"):
                    self._failure = str(response.reject)
                elif response.HasField("ack"):
                    self.accepted = response.ack.accepted_seq
                    self._credit = response.ack.credit_bytes
                self._news.set()
            self._failure = f"{await self._call.code()}: {await self._call.details()}"
        except grpc.RpcError as error:
            self._failure = f"{error.code()}: {error.details()}"
        self._news.set()

    async def _wait(self) -> None:
        await self._news.wait()
        self._news.clear()
        if self._failure:
            raise RuntimeError(self._failure)

    async def _write(self, request: bytes) -> None:
        while self.sent_bytes + len(request) > self._credit:
            await self._wait()
        self.sent_bytes += len(request)
        await self._call.write(request)

    async def send(self, layer: int, step: int, part: int = 0, in_flight: int = 64) -> None:
        """One snapshot; waits while more than ``in_flight`` are not acked."""
        while self.seq - self.accepted > in_flight:
            await self._wait()
        self.seq += 1
        one = snapshot_bytes(f"layer.{layer}", self.shape.units, step, part, self._signal)
        await self._write(batch_request(self.seq, [one]))

    async def step(self, step: int, part: int = 0) -> None:
        """A snapshot of each layer."""
        for layer in range(self.shape.layers):
            await self.send(layer, step, part)

    async def progress(self, step: int) -> None:
        await self._write(progress_request(step))

    async def drained(self) -> None:
        """Everything is acked."""
        while self.accepted < self.seq:
            await self._wait()

    async def close(self) -> None:
        """Leaves without a word, as a process that dies."""
        if self._reader is not None:
            self._reader.cancel()
        self._call.cancel()


async def open_all(
    endpoint: str, messages: Sequence[ingest_pb2.Open], shape: Shape, channels: List[Any]
) -> List[Source]:
    """A stream for each message, as many on a connection as a server allows."""
    sources: List[Source] = []
    for first in range(0, len(messages), STREAMS_PER_CONNECTION):
        channel = connect(endpoint)
        channels.append(channel)
        group = messages[first : first + STREAMS_PER_CONNECTION]
        sources += await asyncio.gather(
            *(Source(channel, shape).open(message) for message in group)
        )
    return sources
