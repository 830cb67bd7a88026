#!/usr/bin/python3
"""Queries and scrapes of a firekeeperd that ingests all it can, and whether anything grows.

    tests/bench/load_bench.py               # ten minutes
    tests/bench/load_bench.py --minutes 1

32 streams of one run, 8 layers of 4,096 units, send summaries as fast as they are acked
(send_bench); 1,024 more of 64 runs, a layer of 1,024 units, send a step every 20 s. They are
on 68 connections. Meanwhile gRPC queries, the JSON view and /metrics are asked in turn,
ten times a second. The senders share the processors with the server, where those of a training
would be elsewhere: they have a low priority (nice 10), so that what is waited for is the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any, Callable, Dict, List, NamedTuple

sys.dont_write_bytecode = True

import workshop
import streams

import grpc
import processes
from firekeeper.v1 import diagnostics_pb2, diagnostics_pb2_grpc

BUSY = 32
QUIET, QUIET_RUNS, QUIET_SHAPE = 1024, 64, streams.Shape(layers=1, units=1024)
# Between two steps of a quiet stream: less than the 60 s after which it counts as gone.
QUIET_SECONDS = 20.0
LOW_PRIORITY = 10
ASKED_EVERY_SECONDS = 0.1
SAMPLED_EVERY_SECONDS = 1.0
GOAL_MS = 50.0
# Beyond the default, for the busy streams beside the quiet ones. Short windows, so that as many
# as are retained are there before anything is measured.
WINDOW_STEPS = 8
FLAGS = ("--max-streams=1280", f"--window-steps={WINDOW_STEPS}")
# One in each of the first windows, more than are retained.
FIRST_STEPS = (0, 1, 2, 4, 8, 16, 24, 32, 40, 48)
WARM_UP_SECONDS = 30.0
RESULTS = workshop.BUILD / "load.json"
# The only one: gRPC's own threads go on to call the loop that they began with.
LOOP = asyncio.new_event_loop()


class Sample(NamedTuple):
    """The server at one moment."""

    seconds: float
    resident: int
    threads: int
    descriptors: int
    cpu_seconds: float
    machine_seconds: float


def quiet_messages() -> List[Any]:
    ranks = QUIET // QUIET_RUNS
    return [
        streams.opening(f"quiet-{run}", QUIET_SHAPE, rank, ranks)
        for run in range(QUIET_RUNS)
        for rank in range(ranks)
    ]


async def send_quietly(endpoint: str, seconds: float) -> None:
    """What the process of the quiet streams does; prints how much it sent."""
    channels: List[Any] = []
    sources = await streams.open_all(endpoint, quiet_messages(), QUIET_SHAPE, channels)

    async def begin(source: streams.Source) -> None:
        for step in FIRST_STEPS:
            await source.step(step)
            await source.progress(step)
        await source.drained()

    await asyncio.gather(*(begin(source) for source in sources))
    print("open", flush=True)
    end = time.monotonic() + seconds

    async def one(number: int, source: streams.Source) -> None:
        await asyncio.sleep(QUIET_SECONDS * number / len(sources))
        step = FIRST_STEPS[-1]
        while time.monotonic() < end:
            step += WINDOW_STEPS
            await source.step(step)
            await source.progress(step)
            await asyncio.sleep(min(QUIET_SECONDS, max(end - time.monotonic(), 0.0)))

    await asyncio.gather(*(one(number, source) for number, source in enumerate(sources)))
    print(sum(source.seq for source in sources), sum(one.sent_bytes for one in sources))
    for source in sources:
        await source.close()
    for channel in channels:
        await channel.close()


def commands(endpoint: str, seconds: float) -> Dict[str, List[str]]:
    """The sending processes, by kind. An interpreter would keep a processor busy by itself."""
    flood = ["flood", endpoint, "busy-0", str(BUSY), f"{seconds:.0f}"]
    return {
        "quiet": [sys.executable, __file__, "--send-to", endpoint, "--seconds", str(seconds)],
        "busy": [str(processes.binary("send_bench")), *flood],
    }


def spawn(kind: str, command: List[str]) -> "subprocess.Popen[str]":
    """A sending process, once its streams are open."""
    process = subprocess.Popen(
        ["nice", "-n", str(LOW_PRIORITY), *command], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "open", f"the {kind} streams did not open"
    return process


def questions(server: processes.Server, channel: Any) -> Dict[str, Callable[[], Any]]:
    """What people and dashboards ask, of a busy run."""
    stub = diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)
    of = diagnostics_pb2
    run, layer = "busy-0", "fc0"

    def get(path: str) -> Callable[[], Any]:
        url = f"http://127.0.0.1:{server.http_port}{path}"

        def call() -> None:
            with urllib.request.urlopen(url, timeout=60) as response:
                response.read()

        return call

    return {
        "gRPC GetRun": lambda: stub.GetRun(of.GetRunRequest(run_id=run), timeout=60),
        "gRPC ListRuns": lambda: stub.ListRuns(of.ListRunsRequest(), timeout=60),
        "gRPC ListLayers": lambda: stub.ListLayers(of.ListLayersRequest(run_id=run), timeout=60),
        "gRPC ListUnits": lambda: stub.ListUnits(
            of.ListUnitsRequest(run_id=run, layer=layer, page_size=1000), timeout=60
        ),
        "gRPC DiagnoseRun": lambda: stub.DiagnoseRun(of.DiagnoseRunRequest(run_id=run), timeout=60),
        "JSON ListRuns": get("/api/v1/ListRuns"),
        "JSON ListLayers": get(f"/api/v1/ListLayers?runId={run}"),
        "JSON ListUnits": get(f"/api/v1/ListUnits?runId={run}&layer={layer}&pageSize=1000"),
        "/metrics": get("/metrics"),
    }


def sample(server: processes.Server, begin: float) -> Sample:
    assert server.process is not None
    pid = server.process.pid
    return Sample(
        seconds=time.monotonic() - begin,
        resident=server.resident_bytes(),
        threads=workshop.thread_count(pid),
        descriptors=workshop.descriptor_count(pid),
        cpu_seconds=workshop.cpu_seconds(pid),
        machine_seconds=workshop.machine_busy_seconds(),
    )


class Watched(NamedTuple):
    """What was seen while the senders were at it."""

    latencies: Dict[str, List[float]]
    samples: List[Sample]


def watch(server: processes.Server, seconds: float) -> Watched:
    begin = time.monotonic()
    watched = Watched({}, [])
    with grpc.insecure_channel(server.endpoint) as channel:
        asked = questions(server, channel)
        for call in asked.values():
            call()  # connects
        while (passed := time.monotonic() - begin) < seconds:
            for name, call in asked.items():
                if passed >= len(watched.samples) * SAMPLED_EVERY_SECONDS:
                    watched.samples.append(sample(server, begin))
                watched.latencies.setdefault(name, []).append(workshop.seconds_of(call))
                time.sleep(ASKED_EVERY_SECONDS)
                passed = time.monotonic() - begin
    return watched


def thirds(values: List[float]) -> List[float]:
    """Means of the first and the last third."""
    third = max(1, len(values) // 3)
    return [sum(part) / len(part) for part in (values[:third], values[-third:])]


def report(watched: Watched, sent: Dict[str, List[float]]) -> Dict[str, Any]:
    """Prints what was seen, and gives it."""
    samples = watched.samples
    seconds = samples[-1].seconds - samples[0].seconds
    sending = WARM_UP_SECONDS + seconds
    cpu = (samples[-1].cpu_seconds - samples[0].cpu_seconds) / seconds
    machine = (samples[-1].machine_seconds - samples[0].machine_seconds) / seconds
    for kind, (snapshots, sent_bytes) in sent.items():
        print(
            f"{kind}: {sent_bytes / sending / 1e6:.1f} MB/s, "
            f"{snapshots / sending:.0f} snapshots a second"
        )
    print(f"processors in use: server {cpu:.2f}, all {machine:.2f} of {os.cpu_count()}")
    found: Dict[str, Any] = {
        "seconds": seconds,
        "server_processors": cpu,
        "all_processors": machine,
        "sent": sent,
        "latency": {
            name: workshop.summary_line(name, values) for name, values in watched.latencies.items()
        },
    }
    slow = [name for name, of in found["latency"].items() if of["p99_ms"] >= GOAL_MS]
    print(f"p99 of {GOAL_MS:.0f} ms or more: {', '.join(slow) or 'none'}")
    for name in ("resident", "threads", "descriptors"):
        values = [float(getattr(one, name)) for one in samples]
        first, last = thirds(values)
        found[name] = {"first_third": first, "last_third": last, "max": max(values)}
        scale, unit = (1e6, " MB") if name == "resident" else (1.0, "")
        print(
            f"{name:12} first third {first / scale:9.1f}  last third {last / scale:9.1f}  "
            f"max {max(values) / scale:9.1f}{unit}"
        )
    found["resident_over_time"] = [[round(one.seconds), one.resident] for one in samples[::10]]
    return found


def bench(seconds: float) -> None:
    sent: Dict[str, List[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        with processes.running(pathlib.Path(folder), *FLAGS) as server:
            senders = {
                kind: spawn(kind, command)
                for kind, command in commands(
                    server.endpoint, WARM_UP_SECONDS + seconds + 2.0
                ).items()
            }
            time.sleep(WARM_UP_SECONDS)
            watched = watch(server, seconds)
            for kind, process in senders.items():
                sent[kind] = [float(word) for word in process.communicate(timeout=120)[0].split()]
                assert process.returncode == 0, f"the {kind} streams failed"
    found = report(watched, sent)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--send-to", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.send_to:
        LOOP.run_until_complete(send_quietly(arguments.send_to, arguments.seconds))
    else:
        bench(arguments.minutes * 60.0)


if __name__ == "__main__":
    main()
