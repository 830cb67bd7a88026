"""Runs scenarios times seeds against firekeeperd, and keeps what came of each.

Every run has a server of its own, so that runs neither share memory nor wait for
each other. Results are kept as they come: a campaign that was stopped goes on where
it was.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import processes
import report
import scenarios

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Store:
    """Results on disk, one line of JSON each."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.results: dict[tuple[str, int], report.Result] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                self._take(report.Result.from_json(json.loads(line)))

    def _take(self, result: report.Result) -> None:
        self.results[(result.run.scenario, result.run.seed)] = result

    def add(self, result: report.Result) -> None:
        """Keeps a result for good."""
        self._take(result)
        with self.path.open("a") as lines:
            lines.write(json.dumps(result.to_json()) + "\n")


def diagnose(run: str, endpoint: str) -> list[dict[str, Any]] | None:
    """Findings of a run; None where the server or the command cannot tell."""
    done = processes.run("firekeeper", "diagnose", run, "--json", f"--endpoint={endpoint}")
    if done.returncode != 0:
        print(f"{run}: no diagnosis: {done.stderr.strip()[:200]}", file=sys.stderr)
        return None
    findings: list[dict[str, Any]] = json.loads(done.stdout).get("findings", [])
    return findings


def watch(scenario: scenarios.Scenario, seed: int) -> report.Result:
    """One training, watched from its first step to its diagnosis."""
    run = f"{scenario.name}:{seed}"
    flags = [f"--run={run}"]
    if scenario.remedy_of:
        flags.append(f"--remedy-of={scenario.remedy_of}:{seed}")
    with tempfile.TemporaryDirectory() as folder:
        with processes.running(pathlib.Path(folder)) as server:
            trained = scenarios.train(
                scenario.name, seed, f"--endpoint={server.endpoint}", *flags
            )  # fmt: skip
            streamed = trained.values["firekeeper"]
            assert streamed["delivered"] and streamed["dropped"] == 0, f"{run}: {streamed}"
            return report.Result(trained, diagnose(run, server.endpoint))


def chosen(
    table: Sequence[scenarios.Scenario], everything: bool, names: str
) -> Iterator[scenarios.Scenario]:
    """The scenarios to run: all, the matrix, or those that a name selects."""
    for scenario in table:
        if names:
            if names in scenario.name:
                yield scenario
        elif everything or scenario.in_matrix:
            yield scenario


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tests/experiments/run",
        description="Trains scenarios against a real firekeeperd, asks it what is wrong, and "
        "writes a page of tables. A campaign that was stopped goes on where it was.",
    )
    parser.add_argument("--all", action="store_true", help="every scenario, not the matrix only")
    parser.add_argument("--match", default="", help="only scenarios whose name holds this text")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0 to this, exclusive")
    parser.add_argument("--jobs", type=int, default=scenarios.WORKERS, help="runs at once")
    parser.add_argument("--bin", default=ROOT / "build/dev/bin", type=pathlib.Path)
    parser.add_argument(
        "--results", default=ROOT / "build/experiments/results.jsonl", type=pathlib.Path
    )
    parser.add_argument("--page", default=ROOT / "build/experiments/report.md", type=pathlib.Path)
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    return parser.parse_args(arguments)


def run_missing(wanted: Sequence[scenarios.Scenario], seeds: range, jobs: int, store: Store) -> int:
    """Runs what the store does not have; returns how many runs failed."""
    missing = [(s, seed) for seed in seeds for s in wanted if (s.name, seed) not in store.results]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(watch, s, seed): f"{s.name}:{seed}" for s, seed in missing}
        for done, future in enumerate(concurrent.futures.as_completed(futures), start=1):
            try:
                store.add(future.result())
            except (AssertionError, OSError, ValueError) as error:
                failed += 1
                print(f"{futures[future]} failed: {error}", file=sys.stderr)
            if done % 10 == 0 or done == len(missing):
                print(f"{done} of {len(missing)} runs", file=sys.stderr)
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 unless a run could not be trained or watched."""
    options = parse(arguments)
    os.environ["FIREKEEPER_BIN"] = str(options.bin)
    os.environ.setdefault("FIREKEEPER_DIGITS", str(ROOT / "build/digits.csv.gz"))
    options.results.parent.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        options.results.unlink(missing_ok=True)
    table = scenarios.load()
    wanted = list(chosen(table, options.all, options.match))
    store = Store(options.results)
    failed = run_missing(wanted, range(options.seeds), options.jobs, store)

    names = {scenario.name for scenario in wanted}
    results = [
        result
        for (name, seed), result in sorted(store.results.items())
        if name in names and seed < options.seeds
    ]
    page = report.page(wanted, results)
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text(page)
    print(page)
    return 1 if failed else 0
