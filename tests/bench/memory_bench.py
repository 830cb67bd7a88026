#!/usr/bin/python3
"""Memory of firekeeperd for each tracked unit, and under many busy streams.

FIREKEEPER_BIN names the folder of the binaries. Prints resident memory as
the system accounts it; figures are per (unit, signal).
"""

from __future__ import annotations

import pathlib
import struct
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "e2e"))

import stubs  # noqa: E402

stubs.generate()

import grpc  # noqa: E402
from firekeeper.v1 import tensor_pb2  # noqa: E402

import processes  # noqa: E402
import wire  # noqa: E402

LAYERS = 16
UNITS = 1 << 16
MIB = float(1 << 20)


def opening() -> "wire.ingest_pb2.StreamRequest":
    request = wire.open_message("memory", units=UNITS)
    request.open.layers[0].name = "layer-0"
    for i in range(1, LAYERS):
        layer = request.open.layers.add()
        layer.CopyFrom(request.open.layers[0])
        layer.name = f"layer-{i}"
    return request


def snapshot(seq: int, layer: int, step: int) -> "wire.ingest_pb2.StreamRequest":
    request = wire.batch(seq, step, [[0.0]])
    one = request.batch.snapshots[0]
    one.layer = f"layer-{layer}"
    one.tensor.CopyFrom(
        tensor_pb2.Tensor(
            data_type=tensor_pb2.DATA_TYPE_F32,
            shape=[1, UNITS],
            unit_axis=1,
            cluster_axis=0,
            data=struct.pack("<f", 1.0) * UNITS,
        )
    )
    return request


def per_unit(folder: pathlib.Path) -> None:
    """One signal of a million units: the growth from window to window."""
    steps = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 384, 512, 640, 768, 896, 1024]
    with processes.running(folder) as server, grpc.insecure_channel(server.endpoint) as channel:
        stream = wire.Stream(channel)
        stream.send(opening())
        stream.receive()
        before = server.resident_bytes()
        print(f"{'windows':>8} {'MiB':>8} {'bytes a unit':>13}")
        seq = 0
        for count, step in enumerate(steps, start=1):
            for layer in range(LAYERS):
                seq += 1
                stream.send(snapshot(seq, layer, step))
            stream.send(wire.progress(step))
            stream.receive_ack(seq)
            grown = server.resident_bytes() - before
            print(f"{count:>8} {grown / MIB:>8.1f} {grown / (LAYERS * UNITS):>13.1f}")
        stream.send(wire.close(seq))
        stream.end()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        per_unit(pathlib.Path(name))
