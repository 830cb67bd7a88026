"""The 1,797 handwritten digits that the examples learn: 8 x 8 pixels and a label each."""

from __future__ import annotations

import csv
import gzip
import os
import pathlib
from typing import Iterator, NamedTuple, Optional, Tuple

import torch
from torch import nn

SIDE = 8
PIXELS = SIDE * SIDE
CLASSES = 10

_TRAIN_SHARE = 0.8
_IN_THE_TREE = pathlib.Path(__file__).resolve().parents[3] / "build" / "digits.csv.gz"

Batch = Tuple[torch.Tensor, torch.Tensor]


class Digits(NamedTuple):
    """Pixels, float [examples, 64], and labels, int64 [examples]."""

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor


def load(path: Optional[str] = None) -> Digits:
    """The digits, split in the same way at every call and standardised.

    Every pixel gets mean 0 and standard deviation 1 over the training digits; one that never
    changes there becomes 0.

    Args:
        path: gzipped CSV. Default: FIREKEEPER_DIGITS, else what
            ``deploy/install-packages digits`` fetches.
    """
    file = path or os.environ.get("FIREKEEPER_DIGITS") or _IN_THE_TREE
    with gzip.open(file, "rt", encoding="ascii") as lines:
        rows = torch.tensor([[float(field) for field in row] for row in csv.reader(lines)])
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
    x, y = rows[:, :PIXELS], rows[:, PIXELS].long()
    count = int(_TRAIN_SHARE * len(rows))
    mean, deviation = x[:count].mean(0), x[:count].std(0)
    deviation[deviation == 0] = 1.0
    x = (x - mean) / deviation
    return Digits(x[:count], y[:count], x[count:], y[count:])


def batches(
    x: torch.Tensor, y: torch.Tensor, size: int = 64, generator: Optional[torch.Generator] = None
) -> Iterator[Batch]:
    """One epoch: every example once, shuffled where there is a generator.

    The last batch is left out where it would be smaller.
    """
    order = (
        torch.arange(len(x)) if generator is None else torch.randperm(len(x), generator=generator)
    )
    for chosen in order.split(size):
        if len(chosen) == size:
            yield x[chosen], y[chosen]


def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """The share of digits that ``model`` names rightly, in evaluation mode."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        right = (model(x).argmax(1) == y).float().mean()
    model.train(was_training)
    return float(right)
