"""What the tests of a sender share: snapshots, waiting and what a server made of them."""

from __future__ import annotations

import struct
from typing import Any, Dict, List

import grpc
import processes
from firekeeper._options import SenderOptions
from firekeeper._pending import Column, Summary
from firekeeper._sender import Counters, Sender
from firekeeper._vocabulary import LayerSpec, Phase, Signal
from firekeeper.v1 import diagnostics_pb2, diagnostics_pb2_grpc

UNITS = 4
LAYERS = [LayerSpec("fc", UNITS)]
DEADLINE = 20.0


class Pending:
    """8 observations of each of 4 units, of which 3 fire."""

    samples = 8
    approximate_bytes = 300

    def resolve(self) -> Summary:
        counts = {1: 8, 2: 3, 3: 8, 4: 3, 5: 3, 6: 0, 7: 5, 8: 0}
        reals = {9: 3.0, 10: 0.375, 11: 1.875, 12: 0.0, 13: 1.0}
        columns = {number: Column(1, bytes([count])) for number, count in counts.items()}
        for number, value in reals.items():
            columns[number] = Column(8, struct.pack("<4d", *[value] * UNITS))
        return Summary(UNITS, columns, False)


def sender_to(endpoint: str, **options: Any) -> Sender:
    options.setdefault("run", "run")
    return Sender(SenderOptions(endpoint=endpoint, **options), LAYERS)


def send(sender: Sender, step: int, part: int = 0) -> None:
    sender.enqueue("fc", Signal.ACTIVATION, Phase.TRAIN, step, part, Pending())


def check_invariant(counters: Counters) -> None:
    accounted = counters.acked + counters.rejected + counters.dropped + counters.buffered
    assert counters.enqueued == accounted, counters


def wait_until_acked(sender: Sender, count: int) -> None:
    processes.wait_for(f"{count} acks", lambda: sender.counters().acked >= count)


def run_counters(endpoint: str, run: str = "run") -> Any:
    """What the server counted."""
    with grpc.insecure_channel(endpoint) as channel:
        stub = diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)
        request = diagnostics_pb2.GetRunRequest(run_id=run)
        return stub.GetRun(request, timeout=DEADLINE).run.counters


def units(endpoint: str, run: str = "run", layer: str = "fc") -> List[Any]:
    """Every unit's verdict."""
    with grpc.insecure_channel(endpoint) as channel:
        stub = diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)
        request = diagnostics_pb2.ListUnitsRequest(run_id=run, layer=layer, page_size=1000)
        return list(stub.ListUnits(request, timeout=DEADLINE).units)


def scalars(endpoint: str, run: str = "run") -> Dict[str, float]:
    """The newest value of every scalar."""
    with grpc.insecure_channel(endpoint) as channel:
        stub = diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)
        request = diagnostics_pb2.GetRunRequest(run_id=run)
        return dict(stub.GetRun(request, timeout=DEADLINE).run.scalars)
