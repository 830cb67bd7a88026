"""Weights, biases, their gradients and updates around the steps of optimizers."""

from __future__ import annotations

import weakref
from typing import Dict, List, Optional, Sequence, Set

import torch

from firekeeper._observer import Observer
from firekeeper._places import Place
from firekeeper._vocabulary import Signal


class Parameters:
    """What optimizers do to the parameters of an observed model in one step.

    Of several optimizers each takes care of its own parameters, at its first step; the last
    one also of those that no optimizer has. Thread-compatible.
    """

    def __init__(
        self, observer: Observer, optimizers: Sequence["weakref.ref[torch.optim.Optimizer]"]
    ) -> None:
        self._observer = observer
        self._optimizers = optimizers
        self._stepped: Set[int] = set()
        self._before: Dict[int, torch.Tensor] = {}
        self._norms: List[torch.Tensor] = []

    def before_step(self, number: int, *, has_gradients: bool) -> None:
        """Optimizer ``number`` is about to step; -1: whoever it is, of all parameters.

        ``has_gradients``: those of this step are there already.
        """
        if number in self._stepped:
            return
        self._stepped.add(number)
        owners = self._owners()
        last = len(self._optimizers) - 1
        for place in self._observer.places.values():
            owner = owners.get(id(_weight_of(place)), last)
            if number in (-1, owner):
                trained = id(_weight_of(place)) in owners or number == -1
                self._observe(place, trained=trained, has_gradients=has_gradients)
        if has_gradients:
            self._norms += self._gradient_norms(number)

    def after_step(self) -> Optional[torch.Tensor]:
        """The last optimizer has stepped: reduces the updates. Norm of all gradients."""
        updates: Dict[int, torch.Tensor] = {}
        for place in self._observer.places.values():
            weight = _weight_of(place)
            before = self._before.pop(id(weight), None)
            if weight is not None and before is not None:
                updates[id(weight)] = torch.sub(weight.detach(), before, out=before)
            update = updates.get(id(weight))
            if update is not None:
                self._observer.observe_parameter(place, Signal.WEIGHT_UPDATE, update)
        norms, self._norms = self._norms, []
        self.forget()
        if not norms or len({each.device for each in norms}) > 1:
            return None
        return torch.stack(norms).norm()

    def forget(self) -> None:
        """Lets go of the copies of a step that did not end."""
        self._stepped.clear()
        self._before.clear()
        self._norms = []

    def _observe(self, place: Place, *, trained: bool, has_gradients: bool) -> None:
        observe = self._observer.observe_parameter
        weight = _weight_of(place)
        if weight is not None:
            observe(place, Signal.WEIGHT, weight)
            gradient = weight.grad
            if has_gradients and gradient is not None and not gradient.is_sparse:
                observe(place, Signal.WEIGHT_GRADIENT, gradient)
            if trained and (gradient is not None or not has_gradients):
                self._before[id(weight)] = weight.detach().clone()
        bias = getattr(place.affine, "bias", None)
        if isinstance(bias, torch.Tensor):
            observe(place, Signal.BIAS, bias)

    def _owners(self) -> Dict[int, int]:
        """The number of the optimizer of each parameter, by identity."""
        return {
            id(parameter): number
            for number, reference in enumerate(self._optimizers)
            for group in _groups_of(reference)
            for parameter in group
        }

    def _gradient_norms(self, number: int) -> List[torch.Tensor]:
        references = self._optimizers if number == -1 else [self._optimizers[number]]
        return [
            parameter.grad.detach().float().norm()
            for reference in references
            for group in _groups_of(reference)
            for parameter in group
            if parameter.grad is not None and not parameter.grad.is_sparse
        ]


def _weight_of(place: Place) -> Optional[torch.Tensor]:
    weight = getattr(place.affine, "weight", None)
    return weight if isinstance(weight, torch.Tensor) else None


def _groups_of(
    reference: "weakref.ref[torch.optim.Optimizer]",
) -> List[List[torch.Tensor]]:
    optimizer = reference()
    return [] if optimizer is None else [group["params"] for group in optimizer.param_groups]
