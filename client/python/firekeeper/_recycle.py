"""Gives dead units a new start: their weights anew, their part in the output 0.

ReDo of Sokar, Agarwal, Castro and Evci, "The Dormant Neuron Phenomenon in Deep
Reinforcement Learning", ICML 2023.
"""

from __future__ import annotations

import copy
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

import torch
from torch import nn

from firekeeper import _wiring

# The history of the gradient in PyTorch's own optimizers, an entry a weight, that begins
# at 0. Rprop's step sizes do not: at 0 they would stay there.
_HISTORY = (
    "exp_avg",
    "exp_avg_sq",
    "max_exp_avg_sq",
    "exp_inf",
    "momentum_buffer",
    "square_avg",
    "grad_avg",
    "acc_delta",
    "sum",
)


class _Renewal(NamedTuple):
    """Entries of a tensor of the model and what they become.

    Attributes:
        tensor: a parameter, or a buffer of a norm.
        mask: which entries. Shape: that of the tensor.
        values: of the tensor's shape, or of one entry.
    """

    tensor: torch.Tensor
    mask: torch.Tensor
    values: torch.Tensor


def recycle(
    model: nn.Module,
    optimizer: Optional[torch.optim.Optimizer],
    layer: _wiring.ModuleOrPath,
    units: Iterable[int],
    *,
    outgoing: Optional[Sequence[_wiring.ModuleOrPath]] = None,
    norms: Optional[Sequence[_wiring.ModuleOrPath]] = None,
) -> int:
    """Draws the incoming weights of dead units anew and sets their outgoing ones to 0.

    The weights and biases come from the layer's own ``reset_parameters()``; what the model
    applied on top of it at its start is not repeated. With the outgoing weights at 0 the
    network computes what it did without the units, and the next steps put them to use. The
    optimizer forgets the gradients of these weights, but counts its steps on; gradients
    that wait for a step are set to 0 as well. A normalisation of the layer gets weight 1,
    bias 0, running mean 0 and running variance 1 for the units. Through a LayerNorm or
    GroupNorm the new values of the units reach the others of their layer.

    Call it between two steps. Under data parallelism call it in every process with the
    same random state, or they go on with different networks.

        dead = client.dead_units("my-run", "hidden.1")
        firekeeper.recycle(model, optimizer, "hidden.1", dead)

    Args:
        model: what holds the layers.
        optimizer: what trains it; None: there is no state to clear.
        layer: a Linear or convolution of ``model``, or its path; a Firekeeper layer's name,
            ``encoder.0`` or ``encoder.0:1``, is one.
        units: which units, from 0; order and repetitions do not matter.
        outgoing: the layers that read this one. None: the next Linear or convolution, in
            order of registration, that is as wide or, behind a convolution and
            ``nn.Flatten``, a multiple as wide. Empty: none.
        norms: the normalisations of this layer. None: that which is registered between it
            and the next Linear or convolution, if any. Empty: none.

    Returns:
        How many units were recycled.

    Raises:
        ValueError: ``layer`` is no such module of ``model``; a unit is out of range; which
            layers read it, or which normalisation is its own, cannot be told, or those that
            are named do not fit. Nothing has changed then.
    """
    module = _wiring.affine(model, layer, "layer")
    width = _wiring.units_of(module)
    chosen = sorted({int(unit) for unit in units})
    if not chosen:
        return 0
    if chosen[0] < 0 or chosen[-1] >= width:
        raise ValueError(f"units: got {chosen[0]} to {chosen[-1]}; the layer has {width} units")
    readers = _wiring.readers(model, module, outgoing)
    between = _wiring.norms(model, module, norms)

    with torch.no_grad():
        renewals = list(_redrawn(module, chosen))
        for norm in between:
            renewals.extend(_restarted(norm.module, norm.inputs_of(chosen)))
        for reader in readers:
            weight = reader.module.weight
            mask = _wiring.outgoing_mask(reader.module, reader.inputs_of(chosen))
            renewals.append(_Renewal(weight, mask, weight.new_zeros(())))
        for renewal in renewals:
            _renew(renewal)
            _forget(optimizer, renewal)
    return len(chosen)


def _redrawn(module: nn.Module, units: List[int]) -> Iterator[_Renewal]:
    """Weights and biases of the units as the layer initialises them."""
    fresh = _fresh_parameters(module)
    yield _Renewal(module.weight, _wiring.incoming_mask(module, units), fresh["weight"])
    if module.bias is not None:
        yield _Renewal(module.bias, _entries(module.bias, units), fresh["bias"])


def _fresh_parameters(module: nn.Module) -> Dict[str, torch.Tensor]:
    """The parameters of a new module of the same kind and shape, on the same device."""
    # Not a deep copy: hooks would come along, and whatever they hold on to.
    fresh = copy.copy(module)
    parameters = {
        name: nn.Parameter(torch.empty_like(parameter), requires_grad=False)
        for name, parameter in module.named_parameters(recurse=False)
    }
    fresh.__dict__["_parameters"] = dict(module._parameters, **parameters)
    fresh.reset_parameters()
    return parameters


def _restarted(norm: nn.Module, entries: List[int]) -> Iterator[_Renewal]:
    """A normalisation as at its start, for some of its entries."""
    values = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}
    for name, value in values.items():
        # Not every norm learns, or keeps statistics.
        tensor = getattr(norm, name, None)
        if tensor is not None:
            yield _Renewal(tensor, _entries(tensor, entries), tensor.new_full((), value))


def _entries(tensor: torch.Tensor, indices: List[int]) -> torch.Tensor:
    mask = torch.zeros_like(tensor, dtype=torch.bool)
    mask[indices] = True
    return mask


def _renew(renewal: _Renewal) -> None:
    tensor, mask, values = renewal
    tensor[mask] = values[mask] if values.dim() else values
    if tensor.grad is not None:
        tensor.grad[mask] = 0


def _forget(optimizer: Optional[torch.optim.Optimizer], renewal: _Renewal) -> None:
    """Clears what the optimizer remembers of the entries."""
    # Its state is a defaultdict: looking up what is not there would add it.
    if optimizer is None or renewal.tensor not in optimizer.state:
        return
    state = optimizer.state[renewal.tensor]
    for name in _HISTORY:
        history = state.get(name)
        if history is not None and history.shape == renewal.tensor.shape:
            history[renewal.mask] = 0
