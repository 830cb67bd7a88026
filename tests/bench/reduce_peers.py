#!/usr/bin/python3
"""The figures of a UnitSummary by numpy and torch, beside reduce_bench.

    reduce_peers.py path/to/reduce_bench [--rounds N] [--json]

Runs reduce_bench in the same call and prints how many times faster the kernel
is. One thread each. The peers compute the same columns of an ACTIVATION:
non-finite entries, firings, firing clusters, zeros, sum of sizes, mean,
squared distances, min and max.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from typing import Any
import time
from collections.abc import Callable

# Fresh pages cost more than the arithmetic: the temporaries of the peers must
# come from memory that the process keeps. Read when the process starts.
TUNED_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

SHAPES = {
    "f32_4096x4096": (4096, 4096),
    "f32_256x64x56x56": (256, 64, 56, 56),
}


def numpy_figures(values: Any) -> tuple[Any, ...]:  # values: [cluster, unit, positions…]
    import numpy as np

    positions = tuple(range(2, values.ndim))
    others = (0, *positions)
    count = values.size // values.shape[1]
    fires = values > 0
    mean = values.mean(axis=others, dtype=np.float64)
    shape = (1, -1) + (1,) * len(positions)
    distance = values - mean.reshape(shape).astype(np.float32)
    return (
        count - np.isfinite(values).sum(axis=others),
        fires.sum(axis=others),
        fires.any(axis=positions).sum(axis=0),
        (values == 0).sum(axis=others),
        np.abs(values).sum(axis=others),
        mean,
        np.square(distance).sum(axis=others),
        values.min(axis=others),
        values.max(axis=others),
    )


def torch_figures(values: Any) -> tuple[Any, ...]:
    import torch

    positions = tuple(range(2, values.ndim))
    others = (0, *positions)
    count = values.numel() // values.shape[1]
    fires = values > 0
    mean = values.mean(dim=others)
    shape = (1, -1) + (1,) * len(positions)
    any_fires = fires.flatten(2).any(dim=2) if positions else fires
    return (
        count - torch.isfinite(values).sum(dim=others),
        fires.sum(dim=others),
        any_fires.sum(dim=0),
        (values == 0).sum(dim=others),
        values.abs().sum(dim=others),
        mean,
        (values - mean.reshape(shape)).square().sum(dim=others),
        values.amin(dim=others),
        values.amax(dim=others),
    )


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    work()  # the allocator learns what is needed
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure_peers(shape: tuple[int, ...], rounds: int) -> dict[str, float]:
    import numpy as np

    generator = np.random.default_rng(7)
    values = generator.standard_normal(shape, dtype=np.float32)
    np.maximum(values, 0, out=values)
    seconds = {"numpy": median_seconds(lambda: numpy_figures(values), rounds)}
    try:
        import torch
    except ImportError:
        return seconds
    torch.set_num_threads(1)
    tensor = torch.from_numpy(values)
    with torch.no_grad():
        seconds["torch"] = median_seconds(lambda: torch_figures(tensor), rounds)
    return seconds


def run_kernel(program: str, case: str, rounds: int) -> dict[str, float]:
    done = subprocess.run(
        [program, "--json", "--rounds", str(rounds), "--case", case],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)["cases"][0]


def compare(program: str, rounds: int) -> list[dict[str, Any]]:
    results = []
    for case, shape in SHAPES.items():
        kernel = run_kernel(program, case, 3 * rounds)
        peers = measure_peers(shape, rounds)
        results.append(
            {
                "case": case,
                "kernel_gb_per_second": kernel["bytes"] / kernel["reduce_seconds"] / 1e9,
                "kernel_over_sum": kernel["sum_seconds"] / kernel["reduce_seconds"],
                **{
                    f"kernel_over_{name}": seconds / kernel["reduce_seconds"]
                    for name, seconds in peers.items()
                },
            }
        )
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="path of reduce_bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in TUNED_MALLOC.items()):
        os.environ.update(TUNED_MALLOC)
        os.execv(sys.executable, [sys.executable, *sys.argv])

    results = compare(options.program, options.rounds)
    if options.json:
        print(json.dumps(results))
        return 0
    for result in results:
        figures = "  ".join(
            f"{name} {value:.2f}" for name, value in result.items() if name != "case"
        )
        print(f"{result['case']:18} {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
