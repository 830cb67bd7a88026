"""Runs for the page to show: trained ones, and made ones of any size."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import grpc
import processes
import wire
from firekeeper.v1 import ingest_pb2, resources_pb2, tensor_pb2
from trainers import NETWORK

EXAMPLES = 2


def layer(name: str, units: int, order: int) -> resources_pb2.Layer:
    return resources_pb2.Layer(
        name=name, activation=resources_pb2.ACTIVATION_RELU, unit_count=units, order=order
    )


def snapshot(
    name: str, step: int, row: Sequence[float], phase: resources_pb2.Phase
) -> ingest_pb2.Snapshot:
    """Every example of the step gave `row`."""
    packed = struct.pack(f"<{len(row)}f", *row)
    return ingest_pb2.Snapshot(
        layer=name,
        signal=resources_pb2.SIGNAL_ACTIVATION,
        phase=phase,
        step=step,
        tensor=tensor_pb2.Tensor(
            data_type=tensor_pb2.DATA_TYPE_F32,
            shape=[EXAMPLES, len(row)],
            unit_axis=1,
            cluster_axis=0,
            data=packed * EXAMPLES,
        ),
    )


def send(
    server: processes.Server,
    run: str,
    rows: Mapping[str, Sequence[float]],
    steps: int = 1,
    labels: Mapping[str, str] | None = None,
    phase: resources_pb2.Phase = resources_pb2.PHASE_TRAIN,
) -> None:
    """A run with these layers, each of whose units always gave its value; it has ended."""
    opening = ingest_pb2.Open(
        run_id=run,
        launch_token="life-1",
        source_count=1,
        instance_id=7,
        first_held_seq=1,
        labels=labels or {},
        layers=[layer(name, len(row), i) for i, (name, row) in enumerate(rows.items())],
    )
    with grpc.insecure_channel(server.endpoint) as channel:
        stream = wire.Stream(channel)
        stream.send(ingest_pb2.StreamRequest(open=opening))
        seq = 0
        for step in range(steps):
            for name, row in rows.items():
                seq += 1
                made = ingest_pb2.Batch(first_seq=seq, snapshots=[snapshot(name, step, row, phase)])
                stream.send(ingest_pb2.StreamRequest(batch=made))
                if seq % 32 == 0:
                    stream.receive_ack(seq - 16)
            stream.send(wire.progress(step))
        stream.send(wire.close(seq))
        stream.half_close()
        assert stream.end() == grpc.StatusCode.OK


def trained(server: processes.Server, run: str, *flags: str, rate: float = 0.05) -> None:
    """A training to its end, which killed some of its network unless `rate` is mild."""
    ended = processes.run(
        "digits_trainer",
        f"--endpoint={server.endpoint}",
        f"--run={run}",
        *NETWORK,
        f"--learning-rate={rate}",
        *flags,
    )
    assert ended.returncode == 0, ended.stderr
