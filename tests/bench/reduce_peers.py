#!/usr/bin/python3
"""The figures of a UnitSummary by numpy and torch, beside the compiled reduction.

All in one process, in turn, one thread each, and with an allocator that keeps its memory:
the temporaries of the peers would otherwise cost more than their arithmetic. The peers
compute the same columns of an ACTIVATION: non-finite entries, firings, firing clusters,
zeros, sum of sizes, mean, squared distances, min and max.

    FIREKEEPER_REDUCE_LIBRARY=build/bench/lib/libfirekeeper_reduce.so reduce_peers.py
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

# Read when the process starts.
TUNED_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
if __name__ == "__main__" and any(
    os.environ.get(name) != value for name, value in TUNED_MALLOC.items()
):
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **TUNED_MALLOC})

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import stubs  # noqa: E402  (found through the path set above)

stubs.generate()

import numpy as np  # noqa: E402
from firekeeper import _firing_rule, _native  # noqa: E402  (needs the stubs)
from firekeeper._vocabulary import ActivationSpec, Signal  # noqa: E402

import measures  # noqa: E402

SHAPES = {"rows": (4096, 4096), "planes": (256, 64, 56, 56)}


def numpy_figures(values: Any) -> tuple[Any, ...]:
    """Of [cluster, unit, positions…]."""
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
    """Of [cluster, unit, positions…]."""
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


def seconds_of(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(name: str, shape: tuple[int, ...], rounds: int) -> None:
    """Prints how many times faster the compiled reduction is, round by round."""
    generator = np.random.default_rng(7)
    values = generator.standard_normal(shape, dtype=np.float32)
    np.maximum(values, 0, out=values)
    reducer = _native.load()
    if reducer is None:
        sys.exit("reduce_peers: FIREKEEPER_REDUCE_LIBRARY names no compiled reduction")
    reduce = reducer.reduce
    rule = _firing_rule.rule_for(Signal.ACTIVATION, ActivationSpec())
    peers: dict[str, Callable[[], object]] = {"numpy": lambda: numpy_figures(values)}
    try:
        import torch
    except ImportError:
        pass
    else:
        torch.set_num_threads(1)
        tensor = torch.from_numpy(values)
        peers["torch"] = lambda: torch_figures(tensor)

    def ours() -> object:
        return reduce(values, rule, unit_axis=1, cluster_axis=0).resolve()

    ratios: dict[str, list[float]] = {peer: [] for peer in peers}
    for work in (ours, *peers.values()):
        work()  # the allocator learns what is needed
    for _ in range(rounds):
        for peer, work in peers.items():
            ratios[peer].append(seconds_of(work) / seconds_of(ours))
    for peer, of_peer in ratios.items():
        measures.print_measure(f"kernel_over_{peer}_{name}", of_peer)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for name, shape in SHAPES.items():
        compare(name, shape, arguments.rounds)


if __name__ == "__main__":
    main()
