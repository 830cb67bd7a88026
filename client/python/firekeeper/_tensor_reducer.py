"""Reduces one tensor of a model where it is, on the training thread."""

from __future__ import annotations

from typing import Callable, Optional

import torch

from firekeeper import _native
from firekeeper._firing_rule import ReductionRule
from firekeeper._pending import PendingSummary
from firekeeper._torch_reduce import TorchReducer

_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class TensorReducer:
    """The compiled reduction where it can be used, torch operations elsewhere.

    Args:
        batch_first: the batch is the first axis of tensors of three axes and more.
        on_refused: told of a tensor that cannot be reduced.
    """

    def __init__(self, *, batch_first: bool, on_refused: Callable[[str], None]) -> None:
        self._batch_first = batch_first
        self._on_refused = on_refused
        self._native = _native.load()
        self._torch = TorchReducer()

    def reduce(
        self,
        rule: ReductionRule,
        tensor: torch.Tensor,
        axis: int,
        *,
        mask: Optional[torch.Tensor] = None,
        scale: float = 1.0,
        has_clusters: bool = True,
    ) -> Optional[PendingSummary]:
        """The summary of ``tensor``; None where it cannot be reduced.

        Args:
            rule: when an entry fires.
            tensor: 1 to 8 axes, floating point.
            axis: of the units.
            mask: bool [batch, position], False where there is padding. Used where the tensor
                has that shape without its units.
            scale: value = entry * scale.
            has_clusters: the batch counts independent examples; a parameter has none.
        """
        rank = tensor.dim()
        if tensor.dtype not in _DTYPES or tensor.layout != torch.strided or not 1 <= rank <= 8:
            self._on_refused(f"{tensor.dtype}, {rank} axes, {tensor.layout}")
            return None
        unit_axis = axis % rank
        cluster_axis = self._cluster_axis(rank, unit_axis) if has_clusters else None
        fitting = self._fitting(mask, tensor, unit_axis) if has_clusters else None
        # The library reads the memory itself: nothing is recorded that had to be detached.
        if self._native is not None and tensor.is_cpu:
            return self._native.reduce(
                tensor,
                rule,
                unit_axis=unit_axis,
                cluster_axis=cluster_axis,
                mask=fitting,
                scale=scale,
            )
        with torch.no_grad():
            return self._torch.reduce(
                tensor.detach(),
                rule,
                unit_axis=unit_axis,
                cluster_axis=cluster_axis,
                mask=fitting,
                scale=scale,
            )

    def _cluster_axis(self, rank: int, unit_axis: int) -> Optional[int]:
        if rank < 2:
            return None
        batch = 1 if rank == 3 and not self._batch_first and unit_axis == 2 else 0
        return None if batch == unit_axis else batch

    def _fitting(
        self, mask: Optional[torch.Tensor], tensor: torch.Tensor, unit_axis: int
    ) -> Optional[torch.Tensor]:
        if mask is None:
            return None
        if not self._batch_first and mask.dim() == 2 and tensor.dim() == 3:
            mask = mask.t()
        shape = tensor.shape[:unit_axis] + tensor.shape[unit_axis + 1 :]
        return mask if mask.shape == shape else None
