"""Reads the handwritten digits from the file that they come in."""

from __future__ import annotations

import csv
import gzip
import os
import pathlib
from typing import List

SIDE = 8
PIXELS = SIDE * SIDE
CLASSES = 10

_IN_THE_TREE = pathlib.Path(__file__).resolve().parents[3] / "build" / "digits.csv.gz"


def read() -> List[List[float]]:
    """1,797 rows of 64 pixels, 0 to 16, and a label, 0 to 9.

    From the gzipped CSV that FIREKEEPER_DIGITS names, else from where
    ``deploy/install-packages digits`` puts it.
    """
    file = os.environ.get("FIREKEEPER_DIGITS") or _IN_THE_TREE
    with gzip.open(file, "rt", encoding="ascii") as lines:
        return [[float(field) for field in row] for row in csv.reader(lines)]
