"""When a value counts as a firing, per signal and activation.

The limits equal those of core/firing_rule.cc to the last bit: the same operations in
the same order, on the same C library.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
from typing import Callable

from firekeeper._columns import ColumnSet, columns_for
from firekeeper._vocabulary import Activation, ActivationSpec, Signal

__all__ = [
    "ColumnSet",
    "FiringKind",
    "FiringRule",
    "ReductionRule",
    "columns_for",
    "firing_rule_for",
    "proofs_hold",
    "rule_for",
]

# |phi'(z)| at or below this counts as a closed gate of a smooth activation.
GATE_EPSILON = 1e-3

# Klambauer et al., arXiv 1706.02515.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805

# The cubic term of GELU's tanh form, Hendrycks and Gimpel, arXiv 1606.08415.
_GELU_CUBIC = 0.044715

_Function = Callable[[float], float]


class FiringKind(enum.IntEnum):
    """How a firing is told; the values are those of the native library."""

    NONE = 0
    NON_ZERO = 1
    BAND = 2
    ALWAYS = 3


@dataclasses.dataclass(frozen=True)
class FiringRule:
    """When a value v, after scale, fires.

    NON_ZERO: v != 0. BAND: low < v < high, and not hole_low <= v <= hole_high; the hole
    is empty where hole_low > hole_high. ALWAYS: every finite v. NONE: the signal does
    not tell, firings are then not counted at all.
    """

    kind: FiringKind = FiringKind.NONE
    low: float = -math.inf
    high: float = math.inf
    hole_low: float = 1.0
    hole_high: float = -1.0

    @property
    def counts(self) -> bool:
        """Whether firings are counted."""
        return self.kind != FiringKind.NONE

    @property
    def has_hole(self) -> bool:
        """Whether some values between the limits do not fire."""
        return self.hole_low <= self.hole_high


@dataclasses.dataclass(frozen=True)
class ReductionRule:
    """What is kept of one signal of one layer.

    Attributes:
        signal: what the tensors are.
        activation: of the layer.
        firing_rule: when a value fires.
        columns: what is kept; clusters only where the layout names a cluster axis.
        cluster_split: several processes hold pieces of one example; no clusters then.
    """

    signal: Signal
    activation: ActivationSpec
    firing_rule: FiringRule
    columns: ColumnSet
    cluster_split: bool = False


@functools.lru_cache(maxsize=1024)
def rule_for(
    signal: Signal, activation: ActivationSpec, cluster_split: bool = False
) -> ReductionRule:
    """What to keep of ``signal`` of a layer with ``activation``."""
    firing_rule = firing_rule_for(signal, activation)
    columns = columns_for(signal, firing_rule.counts)
    if cluster_split:
        columns = columns._replace(clusters=False)
    return ReductionRule(signal, activation, firing_rule, columns, cluster_split)


def firing_rule_for(signal: Signal, activation: ActivationSpec) -> FiringRule:
    """When a value of ``signal`` of a layer with ``activation`` fires."""
    if signal == Signal.ACTIVATION:
        return _output_gate_of(activation)
    if signal == Signal.PRE_ACTIVATION:
        return _gate_of(activation)
    if signal in (Signal.OUTPUT_GRADIENT, Signal.WEIGHT_GRADIENT):
        return _NON_ZERO
    return _POSITIVE


def proofs_hold(activation: ActivationSpec, norm_before: bool, residual: bool) -> bool:
    """Whether a bound of z <= 0 proves that a unit of such a layer is silent."""
    rule = firing_rule_for(Signal.PRE_ACTIVATION, activation)
    silent_below_zero = rule.kind == FiringKind.BAND and rule.low >= 0.0
    return silent_below_zero and not norm_before and not residual


def _between(low: float, high: float) -> FiringRule:
    return FiringRule(FiringKind.BAND, low, high)


def _above(low: float) -> FiringRule:
    return _between(low, math.inf)


_POSITIVE = _above(0.0)
_NON_ZERO = FiringRule(FiringKind.NON_ZERO)
_ALWAYS = FiringRule(FiringKind.ALWAYS)


def _sigmoid(z: float) -> float:
    # exp() of a negative number only: the other form loses all digits.
    e = math.exp(-abs(z))
    return 1.0 / (1.0 + e) if z >= 0.0 else e / (1.0 + e)


def _sigmoid_slope(z: float) -> float:
    e = math.exp(-abs(z))
    return e / ((1.0 + e) * (1.0 + e))


def _tanh_slope(z: float) -> float:
    sech = 1.0 / math.cosh(z)
    return sech * sech


def _softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def _gelu_slope(z: float) -> float:
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return 0.5 * math.erfc(-z / math.sqrt(2.0)) + z * density


def _gelu_tanh_slope(z: float) -> float:
    scale = math.sqrt(2.0 / math.pi)
    inner = scale * (z + _GELU_CUBIC * z * z * z)
    inner_slope = scale * (1.0 + 3.0 * _GELU_CUBIC * z * z)
    # 0.5 (1 + tanh(x)) is the sigmoid of 2x, and half of sech^2(x) is twice its slope.
    return _sigmoid(2.0 * inner) + 2.0 * z * _sigmoid_slope(2.0 * inner) * inner_slope


def _silu_slope(z: float) -> float:
    return _sigmoid(z) + z * _sigmoid_slope(z)


def _mish_slope(z: float) -> float:
    softplus = _softplus(z)
    return math.tanh(softplus) + z * _tanh_slope(softplus) * _sigmoid(z)


def _crossing(slope: _Function, below: float, above: float) -> float:
    """Where ``|slope|`` crosses the gate epsilon, to the last bit.

    ``|slope|`` is at most epsilon at ``below`` and more at ``above``; either may be the
    greater.
    """
    while True:
        middle = below + (above - below) / 2.0
        if middle in (below, above):
            return below
        if abs(slope(middle)) > GATE_EPSILON:
            above = middle
        else:
            below = middle


def _closed_below(slope: _Function, start: float) -> float:
    """The first point of start - 1, start - 2, start - 4 ... with a closed gate."""
    reach = 1.0
    while abs(slope(start - reach)) > GATE_EPSILON:
        reach *= 2.0
    return start - reach


def _symmetric_gate(slope: _Function) -> FiringRule:
    """Of an even slope that falls from z = 0 to both sides: sigmoid and tanh."""
    limit = _crossing(slope, _closed_below(slope, 0.0), 0.0)
    return _between(limit, -limit)


def _rising_gate(slope: _Function) -> FiringRule:
    """Of a slope that rises from 0 for z towards minus infinity: softplus."""
    return _above(_crossing(slope, _closed_below(slope, 0.0), 0.0))


def _lowest(function: _Function, low: float, high: float) -> float:
    """Where a function that falls and then rises on [low, high] is least."""
    for _ in range(200):
        third = (high - low) / 3.0
        if function(low + third) < function(high - third):
            high -= third
        else:
            low += third
    return low + (high - low) / 2.0


def _dipping_gate(slope: _Function) -> FiringRule:
    """Of a slope with a negative dip in [-3, 0]: GELU, SiLU and Mish."""
    dip = _lowest(slope, -3.0, 0.0)
    zero = dip
    above = 0.0
    middle = (zero + above) / 2.0
    while middle not in (zero, above):
        if slope(middle) <= 0.0:
            zero = middle
        else:
            above = middle
        middle = (zero + above) / 2.0
    return FiringRule(
        FiringKind.BAND,
        low=_crossing(slope, _closed_below(slope, dip), dip),
        hole_low=_crossing(slope, zero, dip),
        hole_high=_crossing(slope, zero, 0.0),
    )


def _elu_gate(factor: float) -> FiringRule:
    size = abs(factor)
    if not size > GATE_EPSILON:
        return _above(0.0)
    return _above(-math.inf if math.isinf(size) else math.log(GATE_EPSILON / size))


def _celu_gate(alpha: float) -> FiringRule:
    if alpha < 0.0:
        return _ALWAYS
    return _above(0.0 if alpha == 0.0 else alpha * math.log(GATE_EPSILON))


def _hard_swish_gate() -> FiringRule:
    return FiringRule(
        FiringKind.BAND,
        low=-3.0,
        hole_low=-1.5 - 3.0 * GATE_EPSILON,
        hole_high=-1.5 + 3.0 * GATE_EPSILON,
    )


_FIXED_GATES = {
    Activation.LINEAR: _ALWAYS,
    Activation.PRELU: _ALWAYS,
    Activation.RRELU: _ALWAYS,
    Activation.RELU: _POSITIVE,
    Activation.SQUARED_RELU: _POSITIVE,
    Activation.RELU6: _between(0.0, 6.0),
    Activation.HARD_SIGMOID: _between(-3.0, 3.0),
    Activation.HARD_TANH: _between(-1.0, 1.0),
    Activation.HARD_SWISH: _hard_swish_gate(),
    Activation.SOFTMAX_EXPERTS: _NON_ZERO,
    Activation.SPARSE_LATENTS: _NON_ZERO,
}

_SOLVED_GATES = {
    Activation.GELU: (_dipping_gate, _gelu_slope),
    Activation.GELU_TANH: (_dipping_gate, _gelu_tanh_slope),
    Activation.SILU: (_dipping_gate, _silu_slope),
    Activation.MISH: (_dipping_gate, _mish_slope),
    Activation.SOFTPLUS: (_rising_gate, _sigmoid),
    Activation.SIGMOID: (_symmetric_gate, _sigmoid_slope),
    Activation.TANH: (_symmetric_gate, _tanh_slope),
}


def _gate_of(activation: ActivationSpec) -> FiringRule:
    """Where the gate is open, in terms of z."""
    kind = activation.kind
    if kind in _SOLVED_GATES:
        solve, slope = _SOLVED_GATES[kind]
        return solve(slope)
    if kind == Activation.LEAKY_RELU:
        return _POSITIVE if activation.negative_slope == 0.0 else _ALWAYS
    if kind == Activation.ELU:
        return _elu_gate(activation.alpha)
    if kind == Activation.SELU:
        return _elu_gate(_SELU_SCALE * _SELU_ALPHA)
    if kind == Activation.CELU:
        return _celu_gate(activation.alpha)
    return _FIXED_GATES[kind]


def _rising_output(activation: ActivationSpec, z: float) -> float:
    """phi(z) of the kinds that rise with z and whose gate closes."""
    kind, alpha = activation.kind, activation.alpha
    if kind == Activation.ELU:
        return z if z > 0.0 else alpha * math.expm1(z)
    if kind == Activation.SELU:
        return _SELU_SCALE * (z if z > 0.0 else _SELU_ALPHA * math.expm1(z))
    if kind == Activation.CELU:
        rises = z > 0.0 or alpha == 0.0
        return max(z, 0.0) if rises else alpha * math.expm1(z / alpha)
    if kind == Activation.SOFTPLUS:
        return _softplus(z)
    if kind == Activation.SIGMOID:
        return _sigmoid(z)
    if kind == Activation.TANH:
        return math.tanh(z)
    if kind == Activation.HARD_SIGMOID:
        return min(max(z / 6.0 + 0.5, 0.0), 1.0)
    return z  # hard tanh: a = z inside the gate


_SILENT_OUTPUTS = frozenset(
    (
        Activation.GELU,
        Activation.GELU_TANH,
        Activation.SILU,
        Activation.MISH,
        Activation.HARD_SWISH,
    )
)
_UNMOVED = frozenset((Activation.RELU, Activation.SQUARED_RELU, Activation.LEAKY_RELU))


def _output_gate_of(activation: ActivationSpec) -> FiringRule:
    """Where the gate is open, in terms of a = phi(z)."""
    kind = activation.kind
    if kind == Activation.RELU6:
        return _POSITIVE
    # A negative ELU falls and rises again: a positive a may come from either side.
    if kind in _SILENT_OUTPUTS or (kind == Activation.ELU and activation.alpha < 0.0):
        return FiringRule()
    rule = _gate_of(activation)
    if rule.kind != FiringKind.BAND or kind in _UNMOVED:
        return rule
    return dataclasses.replace(
        rule,
        low=_rising_output(activation, rule.low),
        high=_rising_output(activation, rule.high),
    )
