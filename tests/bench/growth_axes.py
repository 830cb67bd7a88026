"""The axes of growth.py: what is made bigger, and one measurement at each size."""

from __future__ import annotations

import asyncio
import pathlib
import statistics
import tempfile
import time
import urllib.request
from typing import Any, Awaitable, Callable, Dict, List, NamedTuple

import workshop
import streams

import grpc
import processes
from firekeeper.v1 import diagnostics_pb2, diagnostics_pb2_grpc, ingest_pb2

Point = Dict[str, float]

QUERIES = 21
# The first query of millions of units judges them all.
QUERY_SECONDS = 600.0
# A layer as wide as models have them. Much wider ones do not fit a message as a summary.
WIDEST_LAYER = 50_000
MAX_UNITS_PER_RUN = 16_000_000
# State and gRPC's buffers: beyond the defaults, so that memory is what ends the axis of units.
ROOMY = ("--max-state-bytes=20000000000",)
# In a window that stays open.
STEP = 64
# Of the sweeps of a server, one a second.
SETTLE_SECONDS = 2.5
# The only one: gRPC's own threads go on to call the loop that they began with.
LOOP = asyncio.new_event_loop()


class Effort(NamedTuple):
    """How long one point may take.

    Attributes:
        bytes: that are streamed, about.
        snapshots: that are streamed where they are small.
        seconds: for which a server that gets nothing is watched.
    """

    bytes: int
    snapshots: int
    seconds: float


class Axis(NamedTuple):
    """What grows.

    Attributes:
        name: of the axis; begins its files.
        unit: what its sizes count.
        quick: sizes of a look.
        full: all sizes.
        measure: what is measured at one size.
    """

    name: str
    unit: str
    quick: List[int]
    full: List[int]
    measure: Callable[[int, Effort], Point]


class Bench:
    """A firekeeperd and what the system says of it."""

    def __init__(self, server: processes.Server) -> None:
        assert server.process is not None
        self.server = server
        self.pid = server.process.pid
        self.channels: List[Any] = []
        self._empty_bytes = server.resident_bytes()

    async def sources(self, messages: List[ingest_pb2.Open], shape: streams.Shape) -> List[Any]:
        return await streams.open_all(self.server.endpoint, messages, shape, self.channels)

    async def source(self, run: str, shape: streams.Shape) -> Any:
        return (await self.sources([streams.opening(run, shape)], shape))[0]

    async def ingest(self, sources: List[Any], work: Callable[[Any], Awaitable[None]]) -> Point:
        """What it costs the server until it has acked all that the sources send."""

        async def all_of(source: Any) -> None:
            await work(source)
            await source.drained()

        snapshots = sum(source.seq for source in sources)
        sent = sum(source.sent_bytes for source in sources)
        cpu, begin = workshop.cpu_seconds(self.pid), time.monotonic()
        await asyncio.gather(*(all_of(source) for source in sources))
        seconds = time.monotonic() - begin
        cpu = workshop.cpu_seconds(self.pid) - cpu
        snapshots = sum(source.seq for source in sources) - snapshots
        sent = sum(source.sent_bytes for source in sources) - sent
        return {
            "snapshots": snapshots,
            "bytes": sent,
            "seconds": seconds,
            "cpu_seconds": cpu,
            "cpu_ns_per_byte": cpu / sent * 1e9,
            "cpu_us_per_snapshot": cpu / snapshots * 1e6,
        }

    def memory(self) -> Point:
        resident = self.server.resident_bytes() - self._empty_bytes
        return {"rss_bytes": resident, "empty_rss_bytes": self._empty_bytes}

    async def idle(self, seconds: float) -> Point:
        """Processor time a second while nothing arrives, once what came last is assessed."""
        await asyncio.sleep(SETTLE_SECONDS)
        cpu = workshop.cpu_seconds(self.pid)
        await asyncio.sleep(seconds)
        return {"idle_cpu_share": (workshop.cpu_seconds(self.pid) - cpu) / seconds}

    def queries(self, run: str, layer: str = "layer.0") -> Point:
        """Median milliseconds of some queries, and of each the first, which computes verdicts."""
        with grpc.insecure_channel(self.server.endpoint) as channel:
            stub = diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)
            of = diagnostics_pb2
            # The first call of a channel takes as long as the channel.
            stub.GetServerInfo(of.GetServerInfoRequest(), wait_for_ready=True, timeout=30)
            calls: Dict[str, Callable[[], Any]] = {
                "list_units": lambda: stub.ListUnits(
                    of.ListUnitsRequest(run_id=run, layer=layer, page_size=1000),
                    timeout=QUERY_SECONDS,
                ),
                "list_layers": lambda: stub.ListLayers(
                    of.ListLayersRequest(run_id=run, page_size=100), timeout=QUERY_SECONDS
                ),
                "list_runs": lambda: stub.ListRuns(
                    of.ListRunsRequest(page_size=100), timeout=QUERY_SECONDS
                ),
                "diagnose_run": lambda: stub.DiagnoseRun(
                    of.DiagnoseRunRequest(run_id=run), timeout=QUERY_SECONDS
                ),
            }
            point: Point = {}
            for name, call in calls.items():
                point[f"{name}_first_ms"] = workshop.seconds_of(call) * 1e3
                point[f"{name}_ms"] = self._median_ms(call)
        point["scrape_ms"] = self._median_ms(self._scrape)
        return point

    def _scrape(self) -> None:
        with urllib.request.urlopen(self.server.metrics_url, timeout=QUERY_SECONDS) as response:
            response.read()

    @staticmethod
    def _median_ms(call: Callable[[], Any]) -> float:
        return statistics.median(workshop.seconds_of(call) for _ in range(QUERIES)) * 1e3

    async def leave(self, sources: List[Any]) -> None:
        for source in sources:
            await source.close()
        for channel in self.channels:
            await channel.close()


def measured(work: Callable[[Bench], Awaitable[Point]], *flags: str) -> Point:
    """What ``work`` measures of a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        with processes.running(pathlib.Path(folder), *flags) as server:
            return LOOP.run_until_complete(work(Bench(server)))


def units(size: int, effort: Effort) -> Point:
    """So many units of one signal, each in one window that is open."""
    runs = -(-size // MAX_UNITS_PER_RUN)
    layers = max(1, round(size / runs / WIDEST_LAYER))
    shape = streams.Shape(layers, size // runs // layers)
    passes = max(2, effort.bytes // (size * 13))

    async def work(bench: Bench) -> Point:
        opened = [await bench.source(f"run-{run}", shape) for run in range(runs)]

        async def send(source: Any) -> None:
            for part in range(passes):
                await source.step(STEP, part)

        # What a unit takes for good is made at its first snapshot: that is not ingest.
        first = await bench.ingest(opened, lambda source: source.step(STEP, passes))
        point = await bench.ingest(opened, send)
        point["first_cpu_ns_per_byte"] = first["cpu_ns_per_byte"]
        point.update(bench.memory())
        point["rss_bytes_per_unit"] = point["rss_bytes"] / (runs * shape.layers * shape.units)
        point.update(bench.queries("run-0"))
        point["rss_bytes_after_queries"] = bench.memory()["rss_bytes"]
        await bench.leave(opened)
        return point

    return measured(work, *ROOMY)


async def steps(source: Any, count: int) -> None:
    """Training steps one after the other, all observed."""
    for step in range(count):
        await source.step(step)
        await source.progress(step)


def layers(size: int, effort: Effort) -> Point:
    """So many layers of 64 units in one run."""
    shape = streams.Shape(size, 64)

    async def work(bench: Bench) -> Point:
        source = await bench.source("run", shape)
        count = max(2, effort.snapshots // size)
        point = await bench.ingest([source], lambda each: steps(each, count))
        point.update(bench.memory())
        point.update(await bench.idle(effort.seconds))
        point.update(bench.queries("run"))
        await bench.leave([source])
        return point

    return measured(work)


def runs(size: int, effort: Effort) -> Point:
    """One busy run beside so many others, 4 layers of 64 units each, that say nothing."""
    shape = streams.Shape(4, 1024)

    async def work(bench: Bench) -> Point:
        streams.report_runs(
            bench.server.endpoint, [f"quiet-{i}" for i in range(size - 1)], streams.Shape(4, 64)
        )
        memory = bench.memory()
        idle = await bench.idle(effort.seconds)
        source = await bench.source("busy", shape)
        point = await bench.ingest([source], lambda each: steps(each, effort.snapshots // 4))
        point.update(memory)
        point.update(idle)
        point.update(bench.queries("busy"))
        await bench.leave([source])
        return point

    return measured(work)


def sources(size: int, effort: Effort) -> Point:
    """So many ranks of one run, a stream each, that share out the same count of snapshots."""
    shape = streams.Shape(1, 1024)

    async def work(bench: Bench) -> Point:
        messages = [streams.opening("run", shape, rank, size) for rank in range(size)]
        opened = await bench.sources(messages, shape)
        count = max(2, effort.snapshots // size)
        point = await bench.ingest(opened, lambda each: steps(each, count))
        point.update(bench.memory())
        point.update(await bench.idle(effort.seconds))
        point.update(bench.queries("run"))
        await bench.leave(opened)
        return point

    return measured(work)


def idle_streams(size: int, effort: Effort) -> Point:
    """One busy stream beside so many open ones that say nothing."""
    shape = streams.Shape(4, 1024)
    quiet = streams.Shape(1, 64)

    async def work(bench: Bench) -> Point:
        messages = [streams.opening("quiet", quiet, rank, size) for rank in range(size)]
        opened = await bench.sources(messages, quiet)
        memory = bench.memory()
        idle = await bench.idle(effort.seconds)
        busy = await bench.source("busy", shape)
        point = await bench.ingest([busy], lambda each: steps(each, effort.snapshots // 4))
        point.update(memory)
        point.update(idle)
        point.update(bench.queries("busy"))
        point["threads"] = workshop.thread_count(bench.pid)
        await bench.leave([busy, *opened])
        return point

    return measured(work)


def window(size: int, effort: Effort) -> Point:
    """Windows of so many steps, 1,024 units, and the same count of steps for each length."""
    shape = streams.Shape(1, 1024)

    async def work(bench: Bench) -> Point:
        source = await bench.source("run", shape)
        point = await bench.ingest([source], lambda each: steps(each, effort.snapshots))
        point.update(bench.memory())
        point.update(bench.queries("run"))
        await bench.leave([source])
        return point

    return measured(work, f"--window-steps={size}")


AXES = (
    Axis(
        "units",
        "units in one server",
        [1_000, 10_000, 100_000, 1_000_000],
        [1_000, 10_000, 100_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000],
        units,
    ),
    Axis("layers", "layers of a run", [1, 10, 100, 1_000], [1, 10, 100, 1_000, 10_000], layers),
    Axis("runs", "runs in one server", [1, 10, 100, 1_000], [1, 10, 100, 300, 1_000], runs),
    Axis("sources", "sources of a run", [1, 16, 128, 1_024], [1, 4, 16, 64, 256, 1_024], sources),
    Axis("idle_streams", "idle streams", [1, 100, 1_000], [1, 10, 100, 300, 1_000], idle_streams),
    Axis("window", "steps of a window", [8, 128, 2_048], [8, 32, 128, 512, 2_048], window),
)
