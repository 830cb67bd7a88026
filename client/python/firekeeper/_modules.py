"""Which modules are layers, and what their activation function is."""

from __future__ import annotations

import dataclasses
import enum
from typing import Callable, Dict, Optional, Tuple, Type, Union

import torch
from torch import nn
from torch.nn import functional

from firekeeper._vocabulary import Activation, ActivationSpec, LayerKind
from firekeeper._wrappers import plain_path


class Role(enum.Enum):
    """What a module does for the layers around it."""

    AFFINE = "affine"
    ACTIVATION = "activation"
    NORM = "norm"
    OTHER = "other"


@dataclasses.dataclass(frozen=True)
class ModuleInfo:
    """How a kind of module is watched.

    Attributes:
        role: affine modules have WEIGHT and BIAS; a norm may stand between them and an
            activation; the output of others is watched as it is.
        activation: None where the role has none.
        kind: of the layer that it becomes.
        unit_axis: of the output; None: that of what it reads.
    """

    role: Role
    activation: Optional[ActivationSpec] = None
    kind: LayerKind = LayerKind.UNSPECIFIED
    unit_axis: Optional[int] = None


ActivationOf = Union[ActivationSpec, Callable[[nn.Module], ActivationSpec]]


@dataclasses.dataclass(frozen=True)
class _Entry:
    role: Role
    activation: Optional[ActivationOf]
    kind: LayerKind
    unit_axis: Optional[int]


_registry: Dict[Type[nn.Module], _Entry] = {}


def register_module(
    module_type: Type[nn.Module],
    activation: ActivationOf,
    *,
    kind: LayerKind = LayerKind.ACTIVATION,
    unit_axis: Optional[int] = -1,
) -> None:
    """Makes ``watch()`` treat the output of ``module_type`` as a layer.

    Args:
        module_type: the class; subclasses count too.
        activation: the activation function, or what gives it for one module. Of a
            mixture's gate: ``ActivationSpec(Activation.SOFTMAX_EXPERTS)``, whose unit
            fires when its routing weight is not 0.
        kind: informative.
        unit_axis: of the output; None: that of what the module reads.

    Raises:
        TypeError: ``module_type`` is not a subclass of ``torch.nn.Module``.
    """
    if not (isinstance(module_type, type) and issubclass(module_type, nn.Module)):
        raise TypeError(f"module_type: got {module_type!r}; allowed is a subclass of nn.Module")
    _registry[module_type] = _Entry(Role.ACTIVATION, activation, kind, unit_axis)


def info_of(module: nn.Module) -> Optional[ModuleInfo]:
    """None where the module is no layer and hides none."""
    for cls in type(module).__mro__:
        entry = _registry.get(cls)
        if entry is None:
            continue
        activation = entry.activation
        spec = activation(module) if callable(activation) else activation
        unit_axis = entry.unit_axis
        # Over several axes it has no units of its own.
        if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) > 1:
            unit_axis = None
        return ModuleInfo(entry.role, spec, entry.kind, unit_axis)
    return None


_FUNCTIONS: Tuple[Tuple[Callable[..., torch.Tensor], Activation], ...] = (
    (functional.relu, Activation.RELU),
    (torch.relu, Activation.RELU),
    (functional.gelu, Activation.GELU),
)


def functional_of(model: nn.Module) -> Dict[str, ActivationSpec]:
    """Activations that modules of torch call as functions, by the path of the affine module
    whose output they are given."""
    found: Dict[str, ActivationSpec] = {}
    for path, module in model.named_modules():
        if not isinstance(module, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
            continue
        prefix = f"{plain_path(path)}." if path else ""
        for function, activation in _FUNCTIONS:
            if module.activation is function:
                found[f"{prefix}linear1"] = ActivationSpec(activation)
    return found


def fan_in_of(weight: torch.Tensor, unit_axis: int) -> int:
    """Inputs of one unit of a weight of any rank."""
    units = weight.shape[unit_axis]
    return weight.numel() // units if units > 0 else 0


def weight_unit_axis(module: nn.Module) -> Optional[int]:
    """The axis of ``module.weight`` that counts its units; None: it is cut otherwise."""
    transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    if not isinstance(module, transposed):
        return 0
    return 1 if module.groups == 1 else None


def input_units_of(module: nn.Module) -> int:
    """Features or channels that an affine module reads; 0 where it does not say."""
    for name in ("in_features", "in_channels"):
        value = getattr(module, name, None)
        if isinstance(value, int):
            return value
    return 0


def _gelu(module: nn.Module) -> ActivationSpec:
    approximate = getattr(module, "approximate", "none") == "tanh"
    return ActivationSpec(Activation.GELU_TANH if approximate else Activation.GELU)


def _leaky(module: nn.Module) -> ActivationSpec:
    return ActivationSpec(Activation.LEAKY_RELU, negative_slope=float(module.negative_slope))


def _prelu(module: nn.Module) -> ActivationSpec:
    # The learnt slope of the start: it decides nothing about firing.
    slope = module.weight.detach()
    value = float(slope.mean()) if slope.device.type != "meta" else 0.25
    return ActivationSpec(Activation.PRELU, negative_slope=value)


def _rrelu(module: nn.Module) -> ActivationSpec:
    slope = (float(module.lower) + float(module.upper)) / 2
    return ActivationSpec(Activation.RRELU, negative_slope=slope)


def _elu(module: nn.Module) -> ActivationSpec:
    return ActivationSpec(Activation.ELU, alpha=float(module.alpha))


def _celu(module: nn.Module) -> ActivationSpec:
    return ActivationSpec(Activation.CELU, alpha=float(module.alpha))


def _hard_tanh(module: nn.Module) -> ActivationSpec:
    if (module.min_val, module.max_val) == (0.0, 6.0):
        return ActivationSpec(Activation.RELU6)
    return ActivationSpec(Activation.HARD_TANH)


def _fill() -> None:
    plain: Tuple[Tuple[Type[nn.Module], Activation], ...] = (
        (nn.ReLU, Activation.RELU),
        (nn.ReLU6, Activation.RELU6),
        (nn.SELU, Activation.SELU),
        (nn.SiLU, Activation.SILU),
        (nn.Mish, Activation.MISH),
        (nn.Softplus, Activation.SOFTPLUS),
        (nn.Sigmoid, Activation.SIGMOID),
        (nn.Tanh, Activation.TANH),
        (nn.Hardsigmoid, Activation.HARD_SIGMOID),
        (nn.Hardswish, Activation.HARD_SWISH),
    )
    for module_type, activation in plain:
        register_module(module_type, ActivationSpec(activation), unit_axis=None)
    computed: Tuple[Tuple[Type[nn.Module], Callable[[nn.Module], ActivationSpec]], ...] = (
        (nn.GELU, _gelu),
        (nn.LeakyReLU, _leaky),
        (nn.PReLU, _prelu),
        (nn.RReLU, _rrelu),
        (nn.ELU, _elu),
        (nn.CELU, _celu),
        (nn.Hardtanh, _hard_tanh),
    )
    for module_type, spec_of in computed:
        register_module(module_type, spec_of, unit_axis=None)
    linear = ActivationSpec(Activation.LINEAR)
    _registry[nn.Linear] = _Entry(Role.AFFINE, linear, LayerKind.DENSE, -1)
    convolutions: Tuple[Tuple[Type[nn.Module], ...], ...] = (
        (nn.Conv1d, nn.ConvTranspose1d),
        (nn.Conv2d, nn.ConvTranspose2d),
        (nn.Conv3d, nn.ConvTranspose3d),
    )
    for number, of_rank in enumerate(convolutions):
        for convolution in of_rank:
            # From the end: a convolution takes one example without a batch, too.
            entry = _Entry(Role.AFFINE, linear, LayerKind.CONVOLUTION, -(number + 2))
            _registry[convolution] = entry
    batch_norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    instance_norms = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
    for norm in (*batch_norms, *instance_norms, nn.GroupNorm):
        _registry[norm] = _Entry(Role.NORM, None, LayerKind.NORMALIZATION, 1)
    _registry[nn.LayerNorm] = _Entry(Role.NORM, None, LayerKind.NORMALIZATION, -1)
    _registry[nn.Embedding] = _Entry(Role.OTHER, linear, LayerKind.EMBEDDING, -1)
    _registry[nn.MultiheadAttention] = _Entry(Role.OTHER, linear, LayerKind.ATTENTION, -1)


_fill()
