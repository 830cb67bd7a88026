"""The 1,797 handwritten digits that the examples learn: 8 x 8 pixels and a label each."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional, Tuple

import digits_file
import torch
from digits_file import CLASSES, PIXELS, SIDE
from torch import nn

__all__ = ["CLASSES", "PIXELS", "SIDE", "Digits", "accuracy", "batches", "load"]

_TRAIN_SHARE = 0.8

Batch = Tuple[torch.Tensor, torch.Tensor]


class Digits(NamedTuple):
    """Pixels, float [examples, 64], and labels, int64 [examples]."""

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor


def load() -> Digits:
    """The digits, split in the same way at every call and standardised.

    Every pixel gets mean 0 and standard deviation 1 over the training digits; one that never
    changes there becomes 0.
    """
    rows = torch.tensor(digits_file.read())
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
