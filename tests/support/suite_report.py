"""Counts what the suites of tests/run did, and says what failed or was skipped."""

import argparse
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, dataclass
from pathlib import Path

TAIL_LINES = 60
SUMMARY = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")
# What GoogleTest prints between a skipped test's start and its end.
GTEST_SKIP = re.compile(r"Skipped\n(.*?)\n+\[  SKIPPED", re.DOTALL)


@dataclass
class Suite:
    """What is kept of a suite until the table is printed."""

    name: str
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def tail(text: str) -> str:
    """The last lines of `text`, indented."""
    lines = text.rstrip().split("\n")[-TAIL_LINES:]
    return "\n".join("    " + line for line in lines)


def skip_reason(case: ElementTree.Element, skipped: ElementTree.Element) -> str:
    """Why a test was skipped, from GoogleTest's output or pytest's message."""
    found = GTEST_SKIP.search(case.findtext("system-out") or "")
    return found.group(1).strip() if found else skipped.get("message") or "no reason given"


def count_cases(suite: Suite, junit: Path) -> None:
    """Adds the test cases of a JUnit file, printing the ones that did not pass."""
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        name = case.get("name", "")
        # pytest keeps the module here, ctest repeats the name.
        if case.get("classname") not in (None, "", name):
            name = f"{case.get('classname')}.{name}"
        bad = [node for kind in ("failure", "error") for node in case.findall(kind)]
        skipped = case.find("skipped")
        if bad:
            suite.failed += 1
            text = "\n".join(node.text or node.get("message") or "" for node in bad)
            print(f"{suite.name}: FAILED {name}")
            print(tail(text + "\n" + (case.findtext("system-out") or "")))
        elif skipped is not None or case.get("status") in ("disabled", "notrun"):
            suite.skipped += 1
            reason = skip_reason(case, skipped) if skipped is not None else "disabled"
            print(f"{suite.name}: skipped {name}: {reason}")
        else:
            suite.passed += 1


def count_junit(options: argparse.Namespace) -> Suite:
    """A ctest or pytest suite. One that ends badly or runs nothing has failed."""
    suite = Suite(options.suite, options.seconds)
    if options.junit.exists():
        count_cases(suite, options.junit)
    ran = suite.passed + suite.failed + suite.skipped
    if options.exit_code != 0 and suite.failed == 0:
        suite.failed += 1
        print(f"{suite.name}: ended with exit code {options.exit_code}")
        print(tail(options.log.read_text(errors="replace")))
    elif ran == 0 and not options.filter:
        suite.failed += 1
        print(f"{suite.name}: ran no test")
    return suite


def count_summary(options: argparse.Namespace) -> Suite:
    """A suite that counts itself in the last line of its log."""
    suite = Suite(options.suite, options.seconds)
    text = options.log.read_text(errors="replace")
    found = SUMMARY.search(text.rstrip().rsplit("\n", 1)[-1])
    if found:
        suite.passed, suite.failed, suite.skipped = map(int, found.groups())
    if options.exit_code != 0:
        suite.failed = max(suite.failed, 1)
        print(f"{suite.name}: FAILED")
        print(tail(text))
    elif not found:
        suite.failed += 1
        print(f"{suite.name}: did not say what it counted")
    return suite


def count_broken(options: argparse.Namespace) -> Suite:
    """A suite that could not even start."""
    print(f"{options.suite}: FAILED")
    print(tail(options.log.read_text(errors="replace")))
    return Suite(options.suite, options.seconds, failed=1)


def print_table(suites: list[Suite]) -> int:
    """The table and, last, the totals. Returns the exit code of the whole run."""
    total = Suite("total", 0.0)
    print(f"\n{'suite':<12}{'passed':>8}{'failed':>8}{'skipped':>8}{'seconds':>10}")
    for suite in suites:
        total.passed += suite.passed
        total.failed += suite.failed
        total.skipped += suite.skipped
        counts = f"{suite.passed:>8}{suite.failed:>8}{suite.skipped:>8}"
        print(f"{suite.name:<12}{counts}{suite.seconds:>10.1f}")
    if total.passed + total.failed + total.skipped == 0:
        print("no test matched")
        total.failed = 1
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    parser.add_argument("kind", choices=["junit", "summary", "broken", "table"])
    parser.add_argument("--suite", default="")
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--junit", type=Path)
    parser.add_argument("--exit-code", type=int, default=0)
    parser.add_argument("--filter", default="")
    options = parser.parse_args()

    kept = options.results / "suites.jsonl"
    if options.kind == "table":
        lines = kept.read_text().splitlines() if kept.exists() else []
        return print_table([Suite(**json.loads(line)) for line in lines])
    count = {"junit": count_junit, "summary": count_summary, "broken": count_broken}
    suite = count[options.kind](options)
    with kept.open("a") as file:
        file.write(json.dumps(asdict(suite)) + "\n")
    counts = f"{suite.passed} passed, {suite.failed} failed, {suite.skipped} skipped"
    print(f"{suite.name}: {counts} in {suite.seconds:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
