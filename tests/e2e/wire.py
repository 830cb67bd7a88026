"""Small, valid messages to begin from, and a blocking stream to send them on."""

from __future__ import annotations

import queue
import struct
from collections.abc import Iterator
from typing import Any

import grpc
from firekeeper.v1 import diagnostics_pb2, diagnostics_pb2_grpc, ingest_pb2, ingest_pb2_grpc
from firekeeper.v1 import resources_pb2, tensor_pb2

UNITS = 4


def open_message(run: str = "run", **fields: Any) -> ingest_pb2.StreamRequest:
    """Opens `run` as its only source, with one ReLU layer of 4 units."""
    opening = ingest_pb2.Open(
        run_id=run,
        launch_token=fields.pop("launch_token", "life-1"),
        source_count=1,
        instance_id=fields.pop("instance_id", 7),
        first_held_seq=1,
        layers=[
            resources_pb2.Layer(
                name="fc.relu",
                activation=resources_pb2.ACTIVATION_RELU,
                unit_count=fields.pop("units", UNITS),
            )
        ],
        **fields,
    )
    return ingest_pb2.StreamRequest(open=opening)


def tensor(rows: list[list[float]]) -> tensor_pb2.Tensor:
    """A float32 tensor of [examples, units]."""
    flat = [value for row in rows for value in row]
    return tensor_pb2.Tensor(
        data_type=tensor_pb2.DATA_TYPE_F32,
        shape=[len(rows), len(rows[0])],
        unit_axis=1,
        cluster_axis=0,
        data=struct.pack(f"<{len(flat)}f", *flat),
    )


def batch(seq: int, step: int, rows: list[list[float]]) -> ingest_pb2.StreamRequest:
    """One ACTIVATION snapshot."""
    snapshot = ingest_pb2.Snapshot(
        layer="fc.relu",
        signal=resources_pb2.SIGNAL_ACTIVATION,
        phase=resources_pb2.PHASE_TRAIN,
        step=step,
        tensor=tensor(rows),
    )
    return ingest_pb2.StreamRequest(batch=ingest_pb2.Batch(first_seq=seq, snapshots=[snapshot]))


def progress(step: int) -> ingest_pb2.StreamRequest:
    """Everything up to `step` was sent."""
    return ingest_pb2.StreamRequest(progress=ingest_pb2.Progress(complete_through_step=step))


def close(final_seq: int) -> ingest_pb2.StreamRequest:
    """The last message."""
    return ingest_pb2.StreamRequest(close=ingest_pb2.Close(final_seq=final_seq))


class Stream:
    """One ingest stream; send() and receive() by hand."""

    def __init__(self, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...] = ()) -> None:
        self._requests: queue.Queue[ingest_pb2.StreamRequest | None] = queue.Queue()
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        self.call = stub.Stream(self._drain(), metadata=metadata, timeout=60)

    def _drain(self) -> Iterator[ingest_pb2.StreamRequest]:
        while (request := self._requests.get()) is not None:
            yield request

    def send(self, *requests: ingest_pb2.StreamRequest) -> None:
        for request in requests:
            self._requests.put(request)

    def half_close(self) -> None:
        self._requests.put(None)

    def receive(self) -> ingest_pb2.StreamResponse:
        response: ingest_pb2.StreamResponse = next(self.call)
        return response

    def receive_ack(self, seq: int) -> ingest_pb2.Ack:
        """Reads on until `seq` is acked."""
        while True:
            response = self.receive()
            if response.HasField("reject"):
                raise AssertionError(f"refused: {response.reject}")
            if response.HasField("ack") and response.ack.accepted_seq >= seq:
                return response.ack

    def end(self) -> grpc.StatusCode:
        """Reads to the end and returns how the stream ended."""
        try:
            for _ in self.call:
                pass
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK


def diagnostics(channel: grpc.Channel) -> diagnostics_pb2_grpc.DiagnosticsServiceStub:
    """The query service on a channel."""
    return diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)


def units(channel: grpc.Channel, run: str, layer: str = "fc.relu") -> list[Any]:
    """Every unit's verdict."""
    answer = diagnostics(channel).ListUnits(
        diagnostics_pb2.ListUnitsRequest(run_id=run, layer=layer, page_size=1000), timeout=20
    )
    return list(answer.units)
