"""Meets every fault again and again with new seeds, for hours: tests/faults/run --campaign.

Goes round the faults, a slice of each, until each was met as often as it should be or the
time is over. What was done is kept in counts.json and goes on from there. At the first
failure it stops; the log, the seed and what the processes left stay beside the counts.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# A slice that hangs is a failure.
SLICE_SECONDS = 1800.0
STORE_FAULTS = "server_store_fault_tests"


class Fault(NamedTuple):
    """What happens, how often it should, and the tests that make it happen.

    Attributes:
        name: for the table.
        goal: how often.
        program: of GoogleTest; empty: pytest.
        tests: a filter of GoogleTest, or arguments of pytest.
        met: by one run of ``program``, which does not say so itself.
        of_each: the goal is one of every test, not of all together.
    """

    name: str
    goal: int
    program: str
    tests: tuple[str, ...]
    met: int = 0
    of_each: bool = False


SURROUNDINGS = "test_surroundings.py"
FAULTS = (
    Fault("kill -9 of the server", 10_000, "", ("test_server_kills.py",)),
    Fault("each failpoint", 40, "", ("test_failpoints.py",), of_each=True),
    Fault("kill -9 of clients", 2_000, "", ("test_client_kills.py", "--times=3")),
    Fault("server dies under real clients", 1_000, "", ("test_client_counters.py", "--times=2")),
    Fault("full disk", 100, "", (SURROUNDINGS, "-k=full_disk", "--times=5")),
    Fault("SIGSTOP", 500, "", (SURROUNDINGS, "-k=stood_still", "--times=2")),
    Fault("reconnect storm", 100, "", (SURROUNDINGS, "-k=come_back_at_once", "--times=4")),
    Fault("clock jump", 50, "server_recovery_tests", ("RandomJump/*",), 10),
    # Seven seeds reach every operation that a round leaves out.
    Fault("round of failing file operations", 7, STORE_FAULTS, ("*FileFaults*:FullDisk*",), 1),
    Fault("round of power losses", 100, STORE_FAULTS, ("*PowerLoss*",), 1),
    # Random offsets of each of the files, at least.
    Fault("damaged byte of each file", 1_000, STORE_FAULTS, ("DamagedFiles*",), 175),
)


class Count:
    """What was done of a fault."""

    def __init__(self, done: int = 0, slices: int = 0, failures: int = 0) -> None:
        self.done, self.slices, self.failures = done, slices, failures


class Campaign:
    """Counts, and how to run a slice.

    Args:
        build: folder with ``bin``, ``lib`` and ``tests``, as a build has them.
        keep: folder of counts and logs.
    """

    def __init__(self, build: pathlib.Path, keep: pathlib.Path) -> None:
        self._build, self._keep = build, keep
        keep.mkdir(parents=True, exist_ok=True)
        self._file = keep / "counts.json"
        kept = json.loads(self._file.read_text()) if self._file.exists() else {}
        self.counts = {fault.name: Count(**kept.get(fault.name, {})) for fault in FAULTS}

    def run(self, end: float) -> bool:
        """Goes round until ``end``, of the monotonic clock; False: a slice failed."""
        left = list(FAULTS)
        while True:
            left = [each for each in left if self.counts[each.name].done < each.goal]
            if not left:
                return True
            for fault in list(left):
                if time.monotonic() >= end:
                    return True
                met = self._slice(fault)
                if met is None:
                    return False
                if met == 0:
                    print(f"{fault.name}: skipped on this machine", flush=True)
                    left.remove(fault)

    def table(self) -> str:
        """What was done of what."""
        rows = [("fault", "done", "goal", "failures")]
        for fault in FAULTS:
            count = self.counts[fault.name]
            rows.append((fault.name, f"{count.done:,}", f"{fault.goal:,}", f"{count.failures}"))
        return "\n".join(
            f"| {name:<32} | {done:>7} | {goal:>7} | {failures:>8} |"
            for name, done, goal, failures in rows
        )

    def _slice(self, fault: Fault) -> int | None:
        """How often the fault was met; None: a test failed."""
        count = self.counts[fault.name]
        count.slices += 1
        slug = "".join(each if each.isalnum() else "-" for each in fault.name)
        log = self._keep / f"{slug}.log"
        report = self._keep / "report.xml"
        report.unlink(missing_ok=True)
        command, seed = self._command(fault, count.slices, report)
        began = time.monotonic()
        with log.open("w") as out:
            print(f"seed {seed}: {shlex.join(command)}", file=out, flush=True)
            passed = run_to_its_end(command, self._environment(seed), out.fileno())
        met: int | None = None
        if passed:
            met = fault.met or faults_met(report, fault.of_each)
            count.done += met
        else:
            count.failures += 1
            log.replace(self._keep / f"failure-{slug}-{seed}.log")
        self._save()
        took = time.monotonic() - began
        verdict = "ok" if passed else f"FAILED, see failure-{slug}-{seed}.log in {self._keep}"
        print(
            f"{fault.name}: seed {seed}, {count.done} of {fault.goal}, {took:.0f} s, {verdict}",
            flush=True,
        )
        return met

    def _command(self, fault: Fault, number: int, report: pathlib.Path) -> "tuple[list[str], int]":
        """The command of the ``number``-th slice, and its seed."""
        if fault.program:
            program = next((self._build / "tests").rglob(fault.program))
            arguments = [f"--gtest_filter={fault.tests[0]}", "--gtest_brief=1"]
            return [str(program), *arguments], number
        # The parts of a test count on from the seed.
        seed = 1000 * number
        file, *arguments = fault.tests
        pytest = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        # What a failure leaves is there until the campaign goes on.
        places = [f"--basetemp={self._keep / 'left'}", f"--junitxml={report}"]
        return [*pytest, *places, f"--seed={seed}", str(HERE / file), *arguments], seed

    def _environment(self, seed: int) -> "dict[str, str]":
        return {
            **os.environ,
            "FIREKEEPER_BIN": str(self._build / "bin"),
            "FIREKEEPER_REDUCE_LIBRARY": str(self._build / "lib" / "libfirekeeper_reduce.so"),
            "FIREKEEPER_FAULT_SEED": str(seed),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _save(self) -> None:
        """Whole or not at all: the campaign itself may be killed."""
        fresh = self._file.with_suffix(".new")
        counts = {name: vars(count) for name, count in self.counts.items()}
        fresh.write_text(json.dumps(counts, indent=2) + "\n")
        fresh.replace(self._file)


def run_to_its_end(command: "list[str]", environment: "dict[str, str]", out: int) -> bool:
    """Whether it ended well; with what it started, it is ended where it hangs."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=SLICE_SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        # Servers that a failed test left running.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def faults_met(report: pathlib.Path, of_each: bool) -> int:
    """What the tests of a report say of themselves; 0: all were skipped."""
    properties = ElementTree.parse(report).iter("property")
    values = [int(each.attrib["value"]) for each in properties if each.get("name") == "faults"]
    if not values:
        return 0
    return min(values) if of_each else sum(values)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests/faults/run --campaign", description=__doc__)
    parser.add_argument("--hours", type=float, default=8.0, help="stop after; default: 8")
    parser.add_argument(
        "--build", type=pathlib.Path, default=ROOT / "build" / "dev", help="what to test"
    )
    parser.add_argument(
        "--keep",
        type=pathlib.Path,
        default=ROOT / "build" / "campaign-faults",
        help="counts and logs",
    )
    arguments = parser.parse_args()
    campaign = Campaign(arguments.build.resolve(), arguments.keep.resolve())
    passed = campaign.run(time.monotonic() + arguments.hours * 3600)
    print(campaign.table(), flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
