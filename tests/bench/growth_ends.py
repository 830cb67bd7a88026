"""What a server says at the end of each axis of growth.py, at its default limits."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Awaitable, Callable, Dict, List, Tuple

import workshop  # noqa: F401  pylint: disable=unused-import  (sets the path)
import streams

import grpc
import processes
from growth_axes import LOOP, STEP, WIDEST_LAYER, Bench

Try = Callable[[Bench], Awaitable[None]]


async def _told_by(bench: Bench, attempt: Try) -> str:
    """The refusal; empty where there was none."""
    try:
        await attempt(bench)
    except (RuntimeError, grpc.RpcError) as error:
        details = error.details() if hasattr(error, "details") else str(error)
        return " ".join(str(details).split())[:240]
    return ""


async def wide_summary(bench: Bench) -> None:
    shape = streams.Shape(1, 524_288)
    source = await bench.source("wide", shape)
    await source.step(STEP)
    await source.drained()


async def wide_layer(bench: Bench) -> None:
    await bench.source("wider", streams.Shape(1, (1 << 20) + 1))


async def units_of_run(bench: Bench) -> None:
    await bench.source("large", streams.Shape(17, 1 << 20))


async def layers_of_run(bench: Bench) -> None:
    await bench.source("deep", streams.Shape(10_001, 8))


async def ranks(bench: Bench) -> None:
    shape = streams.Shape(1, 8)
    await bench.sources([streams.opening("ranks", shape, 0, 4_097)], shape)


async def many_runs(bench: Bench) -> None:
    streams.report_runs(
        bench.server.endpoint, [f"run-{i}" for i in range(1_001)], streams.Shape(1, 8)
    )


async def many_streams(bench: Bench) -> None:
    shape = streams.Shape(1, 8)
    await bench.sources([streams.opening("many", shape, i, 1_025) for i in range(1_025)], shape)


async def memory(bench: Bench) -> None:
    """New windows of 16 million units until there is no more room."""
    shape = streams.Shape(16_000_000 // WIDEST_LAYER, WIDEST_LAYER)
    source = await bench.source("memory", shape)
    for number in range(8):
        print(f"  window {number} of 16 million units", flush=True)
        await source.step(STEP << number)
        await source.drained()


QUICK: List[Tuple[str, Try]] = [
    ("a summary of 524,288 units", wide_summary),
    ("a layer of 1,048,577 units", wide_layer),
    ("a run of 17,825,792 units", units_of_run),
    ("a run of 10,001 layers", layers_of_run),
    ("a run of 4,097 sources", ranks),
    ("1,001 runs", many_runs),
    ("1,025 streams", many_streams),
]
FULL = QUICK + [("windows of 16 million units", memory)]


def told(tries: List[Tuple[str, Try]]) -> Dict[str, str]:
    """By what was tried, what the server answered, each on a server of its own."""
    answers: Dict[str, str] = {}
    for what, attempt in tries:

        async def one(bench: Bench, attempt: Try = attempt) -> str:
            answer = await _told_by(bench, attempt)
            await bench.leave([])
            return answer

        with tempfile.TemporaryDirectory() as folder:
            with processes.running(pathlib.Path(folder)) as server:
                answers[what] = LOOP.run_until_complete(one(Bench(server))) or "taken"
        print(f"{what}: {answers[what]}", flush=True)
    return answers
