"""The line by which a benchmark tells tests/bench/run what it measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Optional

_PREFIX = "measure "


def print_measure(name: str, rounds: Sequence[float]) -> None:
    """The figure of every round, under the name of a row's measure."""
    line = {"id": name, "rounds": [float(f"{value:.6g}") for value in rounds]}
    print(_PREFIX + json.dumps(line), flush=True)


def parse_measure(line: str) -> Optional[tuple[str, list[float]]]:
    """What a line tells; None where it is for people."""
    if not line.startswith(_PREFIX):
        return None
    told = json.loads(line[len(_PREFIX) :])
    return told["id"], told["rounds"]
