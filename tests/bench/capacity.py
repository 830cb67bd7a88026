#!/usr/bin/python3
"""What a cluster needs of firekeeperd, computed from what was measured.

    tests/bench/capacity.py --written 1.44 --kept 74

Reads growth/growth.json and the committed table.json. The two figures of the store are printed
by `store_bench`: rows written per byte ingested, and MiB/s kept. Prints the coefficients and
the tables of deploy/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import statistics
from typing import Any, Dict, NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
# Defaults of the server.
RETAINED_WINDOWS, OPEN_WINDOWS = 8, 2
MAX_STREAMS, MAX_RUNS = 1_024, 1_000
GPUS = (1, 100, 10_000)


class Coefficients(NamedTuple):
    """What was measured.

    Attributes:
        snapshot_seconds: of a processor for each snapshot, whatever its size.
        byte_seconds: of a processor for each byte of a summary.
        run_share: of a processor for each run that says nothing.
        empty_bytes: resident, of a server without runs.
        stream_bytes: resident, for each open stream.
        health_bytes: long-lived, for each unit of the signal that tells health.
        other_bytes: the same of other signals.
        window_bytes: for each (unit, signal) of a window that is open or retained.
        wire_bytes: of a summary of values of both signs, for each unit.
        written: bytes written to the store for each byte ingested.
        disk_bytes: of the store, for each (unit, signal) of a run.
        kept_bytes: of summaries that one server keeps in a second, on as many cores as were
            measured.
    """

    snapshot_seconds: float
    byte_seconds: float
    run_share: float
    empty_bytes: float
    stream_bytes: float
    health_bytes: float
    other_bytes: float
    window_bytes: float
    wire_bytes: float
    written: float
    disk_bytes: float
    kept_bytes: float


class Store(NamedTuple):
    """What store_bench prints."""

    written: float
    kept_mib: float


class Workload(NamedTuple):
    """What every GPU trains and how it is watched: given, not measured."""

    layers: int
    width: int
    signals: int
    every: int
    steps_per_second: float
    ranks: int

    @property
    def pairs(self) -> int:
        return self.layers * self.width * self.signals

    @property
    def snapshots_per_second(self) -> float:
        return self.layers * self.signals * self.steps_per_second / self.every


def ends_of(axis: Dict[str, Any]) -> "tuple[tuple[int, Any], tuple[int, Any]]":
    sizes = sorted(axis["points"], key=int)
    return (int(sizes[0]), axis["points"][sizes[0]]), (int(sizes[-1]), axis["points"][sizes[-1]])


def slope(axis: Dict[str, Any], figure: str) -> float:
    """Of a figure for each one more, between the ends of an axis."""
    (few, low), (many, high) = ends_of(axis)
    return (high[figure] - low[figure]) / (many - few)


def read(growth: pathlib.Path, table: pathlib.Path, store: Store) -> Coefficients:
    axes = json.loads(growth.read_text())["axes"]
    measured = {
        name: statistics.median(rounds)
        for name, rounds in json.loads(table.read_text())["rounds"].items()
    }
    small, large = ends_of(axes["layers"])[1][1], ends_of(axes["units"])[1][1]
    size = {id(point): point["bytes"] / point["snapshots"] for point in (small, large)}
    byte_seconds = (large["cpu_us_per_snapshot"] - small["cpu_us_per_snapshot"]) / (
        size[id(large)] - size[id(small)]
    )
    snapshot_us = small["cpu_us_per_snapshot"] - byte_seconds * size[id(small)]
    others = [
        measured[name]
        for name in ("memory_bytes_per_unit_output_gradient", "memory_bytes_per_unit_weight")
        if name in measured
    ]
    return Coefficients(
        snapshot_seconds=snapshot_us * 1e-6,
        byte_seconds=byte_seconds * 1e-6,
        run_share=slope(axes["runs"], "idle_cpu_share"),
        empty_bytes=small["empty_rss_bytes"],
        stream_bytes=slope(axes["idle_streams"], "rss_bytes"),
        health_bytes=measured["memory_bytes_per_unit"],
        other_bytes=max(others, default=measured["memory_bytes_per_unit"]),
        window_bytes=measured["memory_window_bytes_per_unit"],
        wire_bytes=measured["summary_bytes_of_signed_values"],
        written=store.written,
        disk_bytes=measured["disk_bytes_per_unit"],
        kept_bytes=store.kept_mib * (1 << 20),
    )


class Need(NamedTuple):
    """Of all servers together."""

    runs: int
    servers: int
    cores: float
    memory: float
    network: float
    writes: float
    disk: float


def need(gpus: int, load: Workload, of: Coefficients, retained: int) -> Need:
    runs = math.ceil(gpus / load.ranks)
    network = gpus * load.pairs * of.wire_bytes * load.steps_per_second / load.every
    servers = max(
        math.ceil(gpus / MAX_STREAMS),
        math.ceil(runs / MAX_RUNS),
        math.ceil(network / of.kept_bytes),
    )
    windows = (retained + OPEN_WINDOWS) * of.window_bytes
    long_lived = (of.health_bytes + (load.signals - 1) * of.other_bytes) / load.signals
    return Need(
        runs=runs,
        servers=servers,
        cores=gpus * load.snapshots_per_second * of.snapshot_seconds
        + network * of.byte_seconds
        + runs * of.run_share,
        memory=servers * of.empty_bytes
        + gpus * of.stream_bytes
        + runs * load.pairs * (long_lived + windows),
        network=network,
        writes=network * of.written,
        disk=runs * load.pairs * of.disk_bytes,
    )


def amount(count: float, unit: str) -> str:
    for prefix in ("", "k", "M", "G", "T"):
        if abs(count) < 999.5 or prefix == "T":
            break
        count /= 1000.0
    return f"{count:.3g} {prefix}{unit}"


def print_need(load: Workload, of: Coefficients) -> None:
    print("| GPUs | runs | servers | cores | memory | network | written | disk |")
    print("|---|---|---|---|---|---|---|---|")
    for gpus in GPUS:
        one = need(gpus, load, of, RETAINED_WINDOWS)
        print(
            f"| {gpus:,} | {one.runs:,} | {one.servers} | {one.cores:.2g} | "
            f"{amount(one.memory, 'B')} | {amount(one.network, 'B/s')} | "
            f"{amount(one.writes, 'B/s')} | {amount(one.disk, 'B')} |"
        )


def print_savings(load: Workload, of: Coefficients) -> None:
    """What turning one thing down leaves of the needs of the most GPUs."""
    whole = need(GPUS[-1], load, of, RETAINED_WINDOWS)
    rest = {
        f"`every={load.every * 8}`": (load._replace(every=load.every * 8), RETAINED_WINDOWS),
        "`exclude=` of half of the layers": (
            load._replace(layers=load.layers // 2),
            RETAINED_WINDOWS,
        ),
        "`--retained-windows=2`": (load, 2),
    }
    print("| turned down | cores | memory | network, written | disk |")
    print("|---|---|---|---|---|")
    for name, (lighter, retained) in rest.items():
        left = need(GPUS[-1], lighter, of, retained)
        shares = (
            left.cores / whole.cores,
            left.memory / whole.memory,
            left.network / whole.network,
        )
        # How much of a database its retained windows are was not measured.
        told = retained == RETAINED_WINDOWS
        disk = f"{left.disk / whole.disk:.0%}" if told else "not measured"
        print(f"| {name} | " + " | ".join(f"{share:.0%}" for share in shares) + f" | {disk} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--growth", type=pathlib.Path, default=HERE / "growth" / "growth.json")
    parser.add_argument("--table", type=pathlib.Path, default=HERE / "table.json")
    parser.add_argument("--written", type=float, required=True)
    parser.add_argument("--kept", type=float, required=True)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--signals", type=int, default=7)
    parser.add_argument("--every", type=int, default=16)
    parser.add_argument("--steps-per-second", type=float, default=1.0)
    parser.add_argument("--ranks", type=int, default=8)
    given = parser.parse_args()
    of = read(given.growth, given.table, Store(given.written, given.kept))
    load = Workload(
        given.layers, given.width, given.signals, given.every, given.steps_per_second, given.ranks
    )
    for name, value in of._asdict().items():
        print(f"{name:18} {value:.4g}")
    print_need(load, of)
    print_savings(load, of)


if __name__ == "__main__":
    main()
