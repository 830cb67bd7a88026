"""Which modules read a layer, and which weights belong to one of its units.

It goes by the order in which modules were registered, which is the order of calls in
most models; where that says nothing certain, the caller has to.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Union

import torch
from torch import nn

ModuleOrPath = Union[str, nn.Module]

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)
_AFFINE = (nn.Linear, *_CONVOLUTIONS)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_NORMS = (*_BATCH_NORMS, *_INSTANCE_NORMS, nn.GroupNorm, nn.LayerNorm)


class Neighbour(NamedTuple):
    """A module behind a layer.

    Attributes:
        module: the module.
        per_unit: how many of its inputs in a row come from one unit of the layer.
    """

    module: nn.Module
    per_unit: int

    def inputs_of(self, units: Iterable[int]) -> List[int]:
        """The inputs that come from ``units``."""
        return [unit * self.per_unit + at for unit in units for at in range(self.per_unit)]


def affine(model: nn.Module, wanted: ModuleOrPath, what: str) -> nn.Module:
    """The Linear or convolution of ``model`` that is wanted.

    Raises:
        ValueError: it is none, or its weight is computed from other parameters.
    """
    name, module = _named(model, wanted, what)
    if not isinstance(module, _AFFINE):
        raise ValueError(
            f"{what}: {name!r} is a {type(module).__name__}; name the Linear or convolution"
        )
    if not isinstance(dict(module.named_parameters(recurse=False)).get("weight"), nn.Parameter):
        raise ValueError(f"{what}: the weight of {name!r} is computed from other parameters")
    return module


def units_of(module: nn.Module) -> int:
    """Features or channels that a Linear or convolution gives."""
    return int(module.out_features if isinstance(module, nn.Linear) else module.out_channels)


def readers(
    model: nn.Module, layer: nn.Module, given: Optional[Sequence[ModuleOrPath]]
) -> List[Neighbour]:
    """The layers that read ``layer``: those given, else the next that fits.

    Raises:
        ValueError: one that is given does not fit, or which one it is cannot be told.
    """
    if given is None:
        return [_next_reader(model, layer)]
    found = []
    for wanted in given:
        module = affine(model, wanted, "outgoing")
        per_unit = _inputs_per_unit(layer, module)
        if per_unit == 0:
            raise ValueError(
                f"outgoing: {wanted!r} has {_inputs_of(module)} inputs; "
                f"the layer has {units_of(layer)} units"
            )
        found.append(Neighbour(module, per_unit))
    return found


def norms(
    model: nn.Module, layer: nn.Module, given: Optional[Sequence[ModuleOrPath]]
) -> List[Neighbour]:
    """The normalisations of ``layer``: those given, else that before the next layer.

    Raises:
        ValueError: one that is given does not fit, or several could be meant.
    """
    if given is not None:
        return [_given_norm(model, layer, wanted) for wanted in given]
    found = []
    for module in _behind(model, layer):
        if isinstance(module, _AFFINE):
            break
        per_unit = _norm_entries_per_unit(layer, module)
        if per_unit:
            found.append(Neighbour(module, per_unit))
    if len(found) > 1:
        raise ValueError(
            f"norms: {len(found)} of the layer's width follow it; name its own, or () for none"
        )
    return found


def incoming_mask(module: nn.Module, units: Sequence[int]) -> torch.Tensor:
    """True at the weights that lead to ``units``. Shape: that of the weight."""
    mask = torch.zeros_like(module.weight, dtype=torch.bool)
    if not isinstance(module, _TRANSPOSED):
        mask[list(units)] = True
        return mask
    # [inputs, outputs of a group, ...]
    inputs, outputs = mask.shape[0] // module.groups, mask.shape[1]
    for unit in units:
        group, column = divmod(unit, outputs)
        mask[group * inputs : (group + 1) * inputs, column] = True
    return mask


def outgoing_mask(module: nn.Module, inputs: Sequence[int]) -> torch.Tensor:
    """True at the weights that read ``inputs``. Shape: that of the weight."""
    mask = torch.zeros_like(module.weight, dtype=torch.bool)
    if isinstance(module, _TRANSPOSED):
        mask[list(inputs)] = True
        return mask
    # [outputs, inputs of a group, ...]; a Linear is one group.
    groups = 1 if isinstance(module, nn.Linear) else module.groups
    outputs, columns = mask.shape[0] // groups, mask.shape[1]
    for each in inputs:
        group, column = divmod(each, columns)
        mask[group * outputs : (group + 1) * outputs, column] = True
    return mask


def _named(model: nn.Module, wanted: ModuleOrPath, what: str) -> "tuple[str, nn.Module]":
    modules = dict(model.named_modules())
    if isinstance(wanted, nn.Module):
        for name, module in modules.items():
            if module is wanted:
                return name, module
        raise ValueError(f"{what}: the {type(wanted).__name__} is no module of the model")
    # A layer of Firekeeper may end in the index of the call.
    for name in (wanted, re.sub(r":\d+$", "", wanted)):
        if name in modules:
            return name, modules[name]
    raise ValueError(f"{what}: the model has no module {wanted!r}")


def _behind(model: nn.Module, layer: nn.Module) -> List[nn.Module]:
    """The modules that were registered after ``layer``."""
    modules = list(model.modules())
    return modules[next(at for at, each in enumerate(modules) if each is layer) + 1 :]


def _next_reader(model: nn.Module, layer: nn.Module) -> Neighbour:
    for module in _behind(model, layer):
        if isinstance(module, _AFFINE):
            per_unit = _inputs_per_unit(layer, module)
            if per_unit:
                affine(model, module, "outgoing")
                return Neighbour(module, per_unit)
        elif _has_weights_of_its_own(module):
            # It may be the one that reads the layer, in a way that is not known here.
            break
    raise ValueError("outgoing: cannot be told; name the layers that read this one, or () for none")


def _has_weights_of_its_own(module: nn.Module) -> bool:
    """An attention or recurrent module, or one of the user's; an embedding reads indices."""
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag, *_NORMS)):
        return False
    return any(each.dim() > 1 for each in module.parameters(recurse=False))


def _inputs_of(module: nn.Module) -> int:
    return int(module.in_features if isinstance(module, nn.Linear) else module.in_channels)


def _inputs_per_unit(layer: nn.Module, reader: nn.Module) -> int:
    """0 where ``reader`` cannot read ``layer``."""
    return _ratio(layer, _inputs_of(reader), isinstance(reader, nn.Linear))


def _norm_entries_per_unit(layer: nn.Module, module: nn.Module) -> int:
    """0 where ``module`` is no norm or cannot be one of ``layer``."""
    if isinstance(module, nn.GroupNorm):
        return _ratio(layer, module.num_channels, False)
    if isinstance(module, nn.LayerNorm):
        shape: Any = module.normalized_shape
        return _ratio(layer, shape[0], True) if len(shape) == 1 else 0
    if isinstance(module, _NORMS):
        return _ratio(layer, module.num_features, isinstance(module, nn.BatchNorm1d))
    return 0


def _ratio(layer: nn.Module, inputs: int, may_be_flattened: bool) -> int:
    width = units_of(layer)
    if inputs == width:
        return 1
    # nn.Flatten lays the positions of a channel side by side.
    flattened = may_be_flattened and isinstance(layer, _CONVOLUTIONS) and inputs % width == 0
    return inputs // width if flattened else 0


def _given_norm(model: nn.Module, layer: nn.Module, wanted: ModuleOrPath) -> Neighbour:
    name, module = _named(model, wanted, "norms")
    per_unit = _norm_entries_per_unit(layer, module)
    if per_unit == 0:
        raise ValueError(
            f"norms: {name!r} is no normalisation of the layer's {units_of(layer)} units"
        )
    return Neighbour(module, per_unit)
