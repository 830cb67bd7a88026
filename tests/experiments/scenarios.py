"""The scenarios of experiment_trainer and what their trainings measured."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import processes

# Two runs at once: a run has one thread, and so has the server's reduction.
WORKERS = 2


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A row of the table in trainer/scenario.h."""

    name: str
    causes: tuple[str, ...]
    remedy_of: str
    effect: str
    in_matrix: bool
    data: str
    held_out: bool = False

    @property
    def is_healthy(self) -> bool:
        """Nothing is wrong with it, and nothing was."""
        return not self.causes and not self.remedy_of


@dataclasses.dataclass(frozen=True)
class Run:
    """What one training measured, by itself and without a server."""

    scenario: str
    seed: int
    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    def is_sick(self) -> bool:
        """Dead units, nothing learned, or NaN (STATISTICS.md 6.3). Otherwise it is mild."""
        diverged: bool = self.values["diverged"]
        return diverged or self.gated_end > 0.1 or self.train_accuracy < 0.5

    def hidden_layers(self) -> list[dict[str, Any]]:
        """All layers but the output."""
        layers: list[dict[str, Any]] = self.values["layers"]
        return layers[:-1]


def load() -> list[Scenario]:
    """Every scenario, a cause before its remedies."""
    listed = processes.run("experiment_trainer", "--list")
    assert listed.returncode == 0, listed.stderr
    rows: list[dict[str, Any]] = [json.loads(line) for line in listed.stdout.splitlines()]
    for row in rows:
        row["causes"] = tuple(row["causes"])
    return [Scenario(**row) for row in rows]


def train(scenario: str, seed: int, *flags: str) -> Run:
    """Trains once; `flags` say where it streams to."""
    done = processes.run(
        "experiment_trainer", f"--scenario={scenario}", f"--seed={seed}", *flags
    )  # fmt: skip
    assert done.returncode == 0, f"{scenario}, seed {seed}: {done.stderr}"
    return Run(scenario, seed, json.loads(done.stdout.splitlines()[-1]))


def train_alone(names: Sequence[str], seeds: Iterable[int]) -> dict[str, list[Run]]:
    """Trains scenarios without a server, two at a time."""
    jobs = [(name, seed) for name in names for seed in seeds]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        runs = list(pool.map(lambda job: train(*job, "--no-firekeeper"), jobs))
    return {name: [run for run in runs if run.scenario == name] for name in names}


def mean(runs: Sequence[Run], figure: str) -> float:
    """Mean of a figure over runs."""
    return statistics.fmean(float(run.values[figure]) for run in runs)


def differs(one: Sequence[Run], other: Sequence[Run]) -> bool:
    """Whether two groups of runs ended differently: by a twentieth, or in NaN."""
    if any(r.values["diverged"] for r in one) != any(r.values["diverged"] for r in other):
        return True
    return any(
        abs(mean(one, figure) - mean(other, figure)) > 0.05
        for figure in ("gated_end", "train_accuracy")
    )


def effect(before: Sequence[Run], after: Sequence[Run]) -> str:
    """What a remedy did: "heals", "helps" or "fails".

    Healed is a training that succeeds with its gates open: no run diverged, at most
    15 % of the units never open, and the accuracy is at least 0.65 and not clearly
    below what it was. Helped is one that gained a tenth in accuracy, or keeps
    learning with half of the closed units.
    """
    gain = mean(after, "train_accuracy") - mean(before, "train_accuracy")
    accuracy = mean(after, "train_accuracy")
    closed = mean(after, "gated_end")
    diverged = any(run.values["diverged"] for run in after)
    if not diverged and closed <= 0.15 and accuracy >= 0.65 and gain >= -0.15:
        return "heals"
    if gain >= 0.1 or (accuracy >= 0.6 and closed <= mean(before, "gated_end") / 2):
        return "helps"
    return "fails"
