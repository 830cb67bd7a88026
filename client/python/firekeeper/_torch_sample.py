"""The sketch of a tensor's values, in operations of PyTorch.

Chooses the entries that ``core/value_sample.h`` chooses and counts them in the buckets of
``core/quantile_sketch.h``, so that both reductions give the same sketch.
"""

from __future__ import annotations

import functools
import math
import sys
from typing import List, Optional, Sequence, Tuple

import torch

from firekeeper._pending import Sketch

_ENTRIES_PER_PICK = 1024
_SMALL_SAMPLE = 256
_LARGE_SAMPLE = 1024
_TURN = 1 << 32
_GOLDEN_STEP = 0x9E3779B9  # that over the golden ratio

_LOG_GAMMA = math.log(1.01 / 0.99)
_MAX_BUCKETS = 2048


def sampled_entries(entry_count: int, device: torch.device) -> torch.Tensor:
    """[size] int64: indices of the chosen ones among so many entries, ascending."""
    size = min(
        entry_count, max(_SMALL_SAMPLE, min(entry_count // _ENTRIES_PER_PICK, _LARGE_SAMPLE))
    )
    stretches = torch.arange(size + 1, dtype=torch.int64, device=device)
    divisor = max(size, 1)
    begin = stretches * (entry_count // divisor)
    begin += _quotient(stretches * (entry_count % divisor), divisor)
    length = begin[1:] - begin[:-1]
    part = stretches[:-1] * _GOLDEN_STEP % _TURN
    # length * part / 2^32, in halves because the product may not fit.
    within = _quotient(length, _TURN) * part + _quotient(length % _TURN * part, _TURN)
    return begin[:-1] + within


@functools.lru_cache(maxsize=256)
def _index_on(device: torch.device, shape: Tuple[int, ...]) -> Tuple[torch.Tensor, ...]:
    """Of each axis [size] int64: where the chosen entries are. Computed on the device."""
    rest = sampled_entries(math.prod(shape), device)
    axes: List[torch.Tensor] = []
    for length in reversed(shape):
        axes.append(rest % length)
        rest = _quotient(rest, length)
    return tuple(reversed(axes))


def _quotient(values: torch.Tensor, divisor: int) -> torch.Tensor:
    return torch.div(values, divisor, rounding_mode="floor")


def sample(
    tensor: torch.Tensor,
    mask: Optional[torch.Tensor],
    drops_zeros: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """[size] float64 where the tensor is: the chosen values, NaN for what is none.

    Args:
        tensor: floating point, of any strides.
        mask: None, or bool that broadcasts to it; True: valid.
        drops_zeros: [] bool, whether zeros are no observations.
        scale: value = stored * scale.
    """
    index = _index_on(tensor.device, tuple(tensor.shape))
    stored = tensor[index].double()
    hidden = ~stored.isfinite() | (drops_zeros & (stored == 0.0))
    if mask is not None:
        hidden |= ~mask.expand_as(tensor)[index]
    largest = sys.float_info.max
    return (stored * scale).clamp(-largest, largest).masked_fill(hidden, math.nan)


def sketch_of(values: torch.Tensor) -> Sketch:
    """Counts what ``sample`` gave, on the host."""
    positive = _count(values[values > 0.0])
    negative = _count(-values[values < 0.0])
    return Sketch(int((values == 0.0).sum()), *positive, *negative)


def _count(sizes: torch.Tensor) -> Tuple[int, Sequence[int]]:
    """Index of the first bucket, and the counts from there to the last."""
    if sizes.numel() == 0:
        return 0, []
    buckets = (sizes.log() / _LOG_GAMMA).ceil().long()
    first = max(int(buckets.min()), int(buckets.max()) - _MAX_BUCKETS + 1)
    return first, torch.bincount(buckets.clamp(min=first) - first).tolist()
