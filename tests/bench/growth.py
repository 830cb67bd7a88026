#!/usr/bin/python3
"""How the cost of firekeeperd grows: units, layers, runs, sources, idle streams, windows.

    tests/bench/growth.py            # half an hour, 10 GB of memory
    tests/bench/growth.py --quick    # two minutes: a look, not a result
    tests/bench/growth.py layers     # one axis

For every size a server of its own: processor time for each byte and snapshot ingested, resident
memory, time of queries and scrapes. Fits an exponent to each by least squares of the logarithms
(0: flat, 1: linear), draws a picture of each axis, and tries what lies beyond the limits.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import platform
import sys
import time
from typing import Any, Dict, List, NamedTuple

sys.dont_write_bytecode = True

import growth_axes
import growth_ends
import workshop

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402  (after the choice of what it draws on)

FOLDER = pathlib.Path(__file__).resolve().parent / "growth"
SCRATCH = workshop.BUILD / "growth"
QUICK = growth_axes.Effort(bytes=40_000_000, snapshots=1_500, seconds=1.0)
FULL = growth_axes.Effort(bytes=400_000_000, snapshots=20_000, seconds=5.0)
# A measured time below this is one of the clock: processor time comes in steps of 10 ms.
LEAST_CPU_SECONDS = 0.05
# Memory below this is of the allocator.
LEAST_RSS_BYTES = 16 << 20
LEAST_IDLE_SHARE = 0.01


class Panel(NamedTuple):
    """One part of a picture.

    Attributes:
        label: of its values.
        figures: names in a point, with what to call them.
    """

    label: str
    figures: Dict[str, str]


QUERY_PANEL = Panel(
    "ms, median",
    {
        "list_units_ms": "ListUnits, 1,000",
        "list_layers_ms": "ListLayers, 100",
        "diagnose_run_ms": "DiagnoseRun",
        "scrape_ms": "/metrics",
    },
)
PER_BYTE = Panel("ns of processor a byte", {"cpu_ns_per_byte": "ingest"})
PER_SNAPSHOT = Panel("µs of processor a snapshot", {"cpu_us_per_snapshot": "ingest"})
MEMORY = Panel("resident bytes", {"rss_bytes": "beyond an empty server"})
IDLE = Panel("processors in use", {"idle_cpu_share": "while nothing arrives"})
PANELS = {
    "units": (PER_BYTE, MEMORY, QUERY_PANEL),
    "window": (PER_SNAPSHOT, MEMORY, QUERY_PANEL),
}
OTHER_PANELS = (PER_SNAPSHOT, MEMORY, QUERY_PANEL, IDLE)


def panels_of(axis: growth_axes.Axis) -> tuple[Panel, ...]:
    return PANELS.get(axis.name, OTHER_PANELS)


def is_told(figure: str, point: growth_axes.Point) -> bool:
    """Whether it is more than the grain of what it was measured with."""
    if figure.startswith("cpu_"):
        return point["cpu_seconds"] >= LEAST_CPU_SECONDS
    if figure == "rss_bytes":
        return point["rss_bytes"] >= LEAST_RSS_BYTES
    if figure == "idle_cpu_share":
        return point[figure] >= LEAST_IDLE_SHARE
    return point.get(figure, 0.0) > 0.0


def exponents(axis: growth_axes.Axis, points: Dict[int, growth_axes.Point]) -> Dict[str, float]:
    """By figure; without those of which fewer than three sizes tell anything."""
    fitted: Dict[str, float] = {}
    for panel in panels_of(axis):
        for figure in panel.figures:
            sizes = [size for size in points if is_told(figure, points[size])]
            if len(sizes) >= 3:
                values = [points[size][figure] for size in sizes]
                fitted[figure] = round(workshop.fit_exponent(sizes, values), 3)
    return fitted


def draw_panel(
    axis: growth_axes.Axis,
    panel: Panel,
    points: Dict[int, growth_axes.Point],
    fitted: Dict[str, float],
    place: Any,
) -> None:
    place.set_xlabel(axis.unit)
    place.set_ylabel(panel.label)
    place.set_xscale("log")
    values: List[float] = []
    for name, title in panel.figures.items():
        told = [size for size in points if points[size].get(name, 0.0) > 0.0]
        if not told:
            place.plot(list(points), [0.0] * len(points), label=f"{title}: too little to measure")
            continue
        power = f", exponent {fitted[name]:.2f}" if name in fitted else ""
        drawn = [points[size][name] for size in told]
        place.plot(told, drawn, marker="o", markersize=4, label=title + power)
        values += drawn
    if values:
        place.set_yscale("log")
        # Else a flat line fills the picture with its noise.
        if max(values) / min(values) < 10.0:
            middle = math.sqrt(max(values) * min(values))
            place.set_ylim(middle / 4.0, middle * 4.0)
    place.grid(True, which="major", alpha=0.3)
    place.legend(fontsize=7)


def draw(
    axis: growth_axes.Axis,
    points: Dict[int, growth_axes.Point],
    fitted: Dict[str, float],
    path: pathlib.Path,
) -> None:
    panels = panels_of(axis)
    figure, places = pyplot.subplots(1, len(panels), figsize=(4.4 * len(panels), 3.6))
    for panel, place in zip(panels, places):
        draw_panel(axis, panel, points, fitted, place)
    figure.tight_layout()
    # Without its date the picture of equal figures is the same file.
    figure.savefig(path, dpi=90, metadata={"Software": None})
    pyplot.close(figure)


def measure(
    axis: growth_axes.Axis, sizes: List[int], effort: growth_axes.Effort
) -> Dict[int, growth_axes.Point]:
    points: Dict[int, growth_axes.Point] = {}
    for size in sizes:
        begin = time.monotonic()
        points[size] = point = axis.measure(size, effort)
        print(
            f"{axis.name:12} {size:>9}  {point['cpu_ns_per_byte']:7.2f} ns/byte  "
            f"{point['cpu_us_per_snapshot']:8.1f} us/snapshot  {point['rss_bytes'] / 1e6:8.1f} MB  "
            f"ListUnits {point['list_units_ms']:6.2f} (first {point['list_units_first_ms']:6.1f})  "
            f"ListLayers {point['list_layers_ms']:6.2f} "
            f"(first {point['list_layers_first_ms']:6.1f})  "
            f"/metrics {point['scrape_ms']:7.2f} ms   [{time.monotonic() - begin:.0f} s]",
            flush=True,
        )
    return points


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("axes", nargs="*", help="only these")
    parser.add_argument("--quick", action="store_true", help="two minutes; writes to build/")
    parser.add_argument("--largest", type=int, default=0, help="leave larger sizes out")
    parser.add_argument("--folder", type=pathlib.Path, help="where to write")
    arguments = parser.parse_args()
    folder = arguments.folder or (SCRATCH if arguments.quick else FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    effort = QUICK if arguments.quick else FULL
    path = folder / "growth.json"
    known: Dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    known["machine"] = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "quick": arguments.quick,
    }
    for axis in growth_axes.AXES:
        if arguments.axes and axis.name not in arguments.axes:
            continue
        sizes = axis.quick if arguments.quick else axis.full
        if arguments.largest:
            sizes = [size for size in sizes if size <= arguments.largest]
        points = measure(axis, sizes, effort)
        fitted = exponents(axis, points)
        draw(axis, points, fitted, folder / f"{axis.name}.png")
        print(f"{axis.name}: exponents {fitted}", flush=True)
        known.setdefault("axes", {})[axis.name] = {"exponents": fitted, "points": points}
        path.write_text(json.dumps(known, indent=1) + "\n")
    if not arguments.axes or "ends" in arguments.axes:
        known["ends"] = growth_ends.told(growth_ends.QUICK if arguments.quick else growth_ends.FULL)
        path.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
