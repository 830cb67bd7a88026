"""Where the programs of this folder find what they measure, and what the system says of it.

To be imported before firekeeper and its generated modules: it puts the Python client on the
path, as tests/bench/run does for all programs together.
"""

from __future__ import annotations

import math
import os
import pathlib
import sys
import time
from typing import Callable, Dict, List, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench"
LIBRARY = BUILD / "lib" / "libfirekeeper_reduce.so"
_TICKS = os.sysconf("SC_CLK_TCK")


def _prepare() -> None:
    os.environ.setdefault("FIREKEEPER_BIN", str(BUILD / "bin"))
    sys.path.insert(0, str(ROOT / "tests" / "e2e"))
    # A parent of this process has staged it, or tests/bench/run has.
    if "FIREKEEPER_REDUCE_LIBRARY" in os.environ:
        return
    sys.path.append(str(ROOT / "client" / "python"))
    import stage

    package = BUILD / "python"
    stage.stage(package, LIBRARY)
    sys.path.insert(0, str(package))
    os.environ["FIREKEEPER_REDUCE_LIBRARY"] = str(LIBRARY)
    os.environ["PYTHONPATH"] = str(package)


_prepare()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, in steps of 10 ms."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    # Behind the name, which may hold blanks: the state, then numbers.
    fields = stat[stat.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def machine_busy_seconds() -> float:
    """Time that all processors together were not idle."""
    fields = [
        int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    ]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS


def thread_count(pid: int) -> int:
    return len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))


def descriptor_count(pid: int) -> int:
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def seconds_of(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def fit_exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The b of cost = a size^b, by least squares of the logarithms."""
    pairs = [(math.log(x), math.log(y)) for x, y in zip(sizes, costs) if x > 0 and y > 0]
    if len(pairs) < 2:
        return math.nan
    mean_x = sum(x for x, _ in pairs) / len(pairs)
    mean_y = sum(y for _, y in pairs) / len(pairs)
    spread = sum((x - mean_x) ** 2 for x, _ in pairs)
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs) / spread


def summary_line(name: str, seconds: List[float]) -> Dict[str, float]:
    """Prints p50, p99 and the maximum of latencies, and gives them in milliseconds."""
    figures = {
        "count": float(len(seconds)),
        "p50_ms": percentile(seconds, 0.5) * 1e3,
        "p99_ms": percentile(seconds, 0.99) * 1e3,
        "max_ms": max(seconds) * 1e3,
    }
    print(
        f"{name:26} {len(seconds):6} times  p50 {figures['p50_ms']:8.2f}  "
        f"p99 {figures['p99_ms']:8.2f}  max {figures['max_ms']:8.2f} ms",
        flush=True,
    )
    return figures
