#!/usr/bin/python3
"""Resident memory of firekeeperd for each (unit, signal): what stays, and what a window takes.

Two servers are told the same and differ in how many closed windows they retain. The difference
is windows; what is left of either without its windows is long-lived: records, verdicts, and
memory that the allocator keeps. Figures are what the system accounts as resident, beyond an
empty server, beside what the server itself says that its state takes.
"""

from __future__ import annotations

import argparse
import asyncio
import pathlib
import sys
import tempfile
from typing import NamedTuple

sys.dont_write_bytecode = True

import workshop  # noqa: F401  pylint: disable=unused-import  (sets the path)
import measures
import processes
import streams

from firekeeper import Signal

UNITS = 1 << 16  # of a layer
# One for each window; only the last stays open.
STEPS = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]
FEW, MANY = 1, 3
# Of sources, and of the health of units: a sweep of the server comes every second.
SETTLE_SECONDS = 3.0
DISK_LAYERS = 4
SIGNALS = (Signal.ACTIVATION, Signal.OUTPUT_GRADIENT, Signal.WEIGHT)
# The only one: gRPC's own threads go on to call the loop that they began with.
LOOP = asyncio.new_event_loop()


class Grown(NamedTuple):
    """Bytes for each unit.

    Attributes:
        resident: beyond an empty server.
        accounted: of the state, by the server's own count.
    """

    resident: float
    accounted: float


class Memory(NamedTuple):
    """Bytes for each (unit, signal).

    Attributes:
        long_lived: without windows.
        window: that is open or retained.
        accounted: as the server counts it, with two windows.
    """

    long_lived: float
    window: float
    accounted: float


def metric(server: processes.Server, name: str) -> float:
    lines = (line.split() for line in server.metrics().splitlines())
    return next(float(words[1]) for words in lines if words and words[0] == name)


async def run_through(source: streams.Source) -> None:
    """Windows one after the other, and what the server does once they are closed."""
    for step in STEPS:
        await source.step(step)
        await source.progress(step)
        await source.drained()
    await asyncio.sleep(SETTLE_SECONDS)


async def stored(server: processes.Server, layers: int) -> float:
    """Bytes of the database for each unit, once as many windows as are retained are closed."""
    shape = streams.Shape(layers, UNITS)
    channel = streams.connect(server.endpoint)
    source = await streams.Source(channel, shape).open(streams.opening("disk", shape))
    await run_through(source)
    disk = metric(server, "firekeeper_store_disk_bytes")
    await source.close()
    await channel.close()
    return disk / (layers * UNITS)


def disk_bytes(layers: int) -> float:
    """The same, of a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        flag = f"--data-dir={folder}/data"
        with processes.running(pathlib.Path(folder), flag) as server:
            return LOOP.run_until_complete(stored(server, layers))


async def stream(server: processes.Server, signal: Signal, layers: int) -> Grown:
    """What a server takes that is through with STEPS."""
    shape = streams.Shape(layers, UNITS)
    channel = streams.connect(server.endpoint)
    warm = await streams.Source(channel, shape, signal).open(
        streams.opening("warm", streams.Shape(1, 1))
    )
    before = server.resident_bytes()
    source = await streams.Source(channel, shape, signal).open(streams.opening("memory", shape))
    await run_through(source)
    figures = Grown(
        (server.resident_bytes() - before) / (layers * UNITS),
        metric(server, "firekeeper_state_bytes") / (layers * UNITS),
    )
    await source.close()
    await warm.close()
    await channel.close()
    return figures


def grown(signal: Signal, layers: int, retained: int) -> Grown:
    """The same of a server that retains so many closed windows."""
    flags = (f"--retained-windows={retained}", "--max-state-bytes=18000000000")
    with tempfile.TemporaryDirectory() as folder:
        with processes.running(pathlib.Path(folder), *flags) as server:
            return LOOP.run_until_complete(stream(server, signal, layers))


def measure(signal: Signal, layers: int) -> Memory:
    few = grown(signal, layers, FEW)
    many = grown(signal, layers, MANY)
    window = (many.resident - few.resident) / (MANY - FEW)
    # The open one, too.
    return Memory(few.resident - (FEW + 1) * window, window, few.accounted)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--millions", type=int, default=16, help="units, 2^20 each")
    parser.add_argument(
        "--all", action="store_true", help="other signals, of a million units, and the disk"
    )
    arguments = parser.parse_args()
    per_million = (1 << 20) // UNITS
    if arguments.all:
        disk = disk_bytes(DISK_LAYERS)
        print(f"database, {DISK_LAYERS * UNITS} units of ACTIVATION: {disk:.1f} bytes a unit")
        measures.print_measure("disk_bytes_per_unit", [disk])
    print(
        f"{'signal':16} {'units':>9} {'long-lived':>11} {'a window':>9} {'accounted, with 2':>18}"
    )
    for signal in SIGNALS if arguments.all else SIGNALS[:1]:
        millions = arguments.millions if signal == SIGNALS[0] else 1
        memory = measure(signal, millions * per_million)
        print(
            f"{signal.name:16} {millions << 20:>9} {memory.long_lived:>11.1f} "
            f"{memory.window:>9.1f} {memory.accounted:>18.1f}",
            flush=True,
        )
        suffix = "" if signal == SIGNALS[0] else f"_{signal.name.lower()}"
        measures.print_measure(f"memory_bytes_per_unit{suffix}", [memory.long_lived])
        measures.print_measure(f"memory_window_bytes_per_unit{suffix}", [memory.window])


if __name__ == "__main__":
    main()
