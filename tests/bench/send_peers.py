#!/usr/bin/python3
"""Throughput of the Python client over that of the C++ client, to one firekeeperd.

Both reduce the same tensor of 1 MiB (64 x 4,096 binary32) on the calling thread, with the same
compiled reduction, and send the summary; or both send the tensor as it is. Timed from the
client's start until the server has everything. In turn; each once before, not counted. A
process of its own for every run of the C++ client: its start is not counted, nor the imports.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Dict, List

sys.dont_write_bytecode = True

import workshop  # noqa: F401  pylint: disable=unused-import  (sets the path)
import measures
import processes

import firekeeper
import numpy as np
from firekeeper import _config, _firing_rule, _native, _ring, _sender

UNITS = 4096
ROWS = 64
# Nothing may be dropped, or less is sent than is counted.
RING_BYTES = 4 << 30
DEADLINE_SECONDS = 300.0
# By name: of the program, and of the figure. Summaries are what both clients send by default.
FIGURES = {"summaries": "python_over_cpp", "tensors": "python_over_cpp_tensors"}


def cpp_seconds(endpoint: str, run: str, mode: str, count: int) -> float:
    program = processes.binary("send_bench")
    arguments = [str(program), "watch", endpoint, run, mode, str(count)]
    return float(subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True).stdout)


def python_seconds(endpoint: str, run: str, mode: str, count: int) -> float:
    layer = firekeeper.LayerSpec("fc", UNITS)
    values = (np.arange(ROWS * UNITS) % 7 - 3).astype(np.float32).reshape(ROWS, UNITS)
    rule = _firing_rule.rule_for(firekeeper.Signal.ACTIVATION, layer.activation)
    reducer = _native.load()
    assert reducer is not None, "the compiled reduction is not there"
    options = _config.sender_options(
        run=run, endpoint=endpoint, ring_bytes=RING_BYTES, launch_token="bench"
    )
    begin = time.perf_counter()
    sender = _sender.Sender(options, [layer])
    for step in range(count):
        key = ("fc", firekeeper.Signal.ACTIVATION, firekeeper.Phase.TRAIN, step, 0)
        if mode == "tensors":
            # A copy, as the C++ client makes one: training goes on with the memory.
            raw = _ring.RawTensor(2, (ROWS, UNITS), 1, 0, values.tobytes())
            sender.enqueue_tensor(*key, raw)
        else:
            sender.enqueue(*key, reducer.reduce(values, rule, unit_axis=1, cluster_axis=0))
        sender.step_done(step)
    done = sender.close(DEADLINE_SECONDS)
    seconds = time.perf_counter() - begin
    counters = sender.counters()
    assert done and counters.acked == count, f"not all was sent: {counters}"
    return seconds


def compare(endpoint: str, mode: str, rounds: int, count: int) -> None:
    senders = {"Python": python_seconds, "C++": cpp_seconds}
    seconds: Dict[str, List[float]] = {name: [] for name in senders}
    for number in range(-1, rounds):
        for name, send in senders.items():
            taken = send(endpoint, f"{mode}-{name[0]}-{number + 1}", mode, count)
            if number >= 0:
                seconds[name].append(taken)
    for name, taken_by in seconds.items():
        print(f"{name:6} {mode:9} {count / statistics.median(taken_by):8.0f} a second")
    ratios = [cpp / python for cpp, python in zip(seconds["C++"], seconds["Python"])]
    measures.print_measure(FIGURES[mode], ratios)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=1024, help="snapshots of a round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with processes.running(pathlib.Path(folder)) as server:
            for mode in FIGURES:
                compare(server.endpoint, mode, arguments.rounds, arguments.count)


if __name__ == "__main__":
    main()
