"""The words of the protocol: signals, phases, activations and what a layer is.

The values equal those of ``firekeeper.v1``, which this module does not import:
it costs nothing, and works where the generated classes cannot be loaded.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Optional, Tuple


class Signal(enum.IntEnum):
    """What a tensor is."""

    ACTIVATION = 1
    PRE_ACTIVATION = 2
    OUTPUT_GRADIENT = 3
    WEIGHT = 4
    BIAS = 5
    WEIGHT_GRADIENT = 6
    WEIGHT_UPDATE = 7
    INPUT = 8
    TARGET = 9


class Phase(enum.IntEnum):
    """What a forward pass was for."""

    TRAIN = 1
    EVAL = 2
    BIRTH = 3
    PROBE = 4


class Activation(enum.IntEnum):
    """The activation function of a layer."""

    LINEAR = 1
    RELU = 2
    RELU6 = 3
    SQUARED_RELU = 4
    LEAKY_RELU = 5
    PRELU = 6
    RRELU = 7
    ELU = 8
    SELU = 9
    CELU = 10
    GELU = 11
    GELU_TANH = 12
    SILU = 13
    MISH = 14
    SOFTPLUS = 15
    SIGMOID = 16
    TANH = 17
    HARD_SIGMOID = 18
    HARD_TANH = 19
    HARD_SWISH = 20
    SOFTMAX_EXPERTS = 21
    SPARSE_LATENTS = 22


class LayerKind(enum.IntEnum):
    """What kind of module a layer is. Informative."""

    UNSPECIFIED = 0
    DENSE = 1
    CONVOLUTION = 2
    ATTENTION = 3
    NORMALIZATION = 4
    EMBEDDING = 5
    EXPERTS = 6
    LATENTS = 7
    ACTIVATION = 8


@dataclasses.dataclass(frozen=True)
class ActivationSpec:
    """An activation function with its parameters.

    Attributes:
        kind: the function.
        negative_slope: slope for z < 0 of leaky kinds; 0 where it does not apply.
        alpha: of ELU and CELU; at least 0.
    """

    kind: Activation = Activation.RELU
    negative_slope: float = 0.0
    alpha: float = 1.0


@dataclasses.dataclass(frozen=True)
class LayerSpec:
    """A tensor-producing place of the model, as this process sees it.

    Every source of a run must declare the same but for ``unit_range`` and what
    follows it.

    Attributes:
        name: module path and call index: ``encoder.0.relu``, ``encoder.0.relu:1``.
        unit_count: units of the whole layer, at least 1.
        activation: what decides when a unit fires.
        kind: informative.
        fan_in: inputs of one unit (in_channels * kernel of a convolution); 0: not known.
        input_unit_count: width of the INPUT signal; 0: fan_in.
        order: position in the forward pass, from 0.
        inputs: names of the layers whose output this one reads.
        norm_before: a normalisation stands before the activation.
        residual: a residual connection passes this layer.
        is_output: the last layer of the model.
        unit_range: (first, count) of the units that this process holds; None: all.
        data_shard: which part of the data this process sees.
        data_shards: 0: data parallel, every source its own data.
        cluster_split: several processes hold pieces of one example; clusters are then
            steps.
    """

    name: str
    unit_count: int
    activation: ActivationSpec = ActivationSpec()
    kind: LayerKind = LayerKind.UNSPECIFIED
    fan_in: int = 0
    input_unit_count: int = 0
    order: int = 0
    inputs: Tuple[str, ...] = ()
    norm_before: bool = False
    residual: bool = False
    is_output: bool = False
    unit_range: Optional[Tuple[int, int]] = None
    data_shard: int = 0
    data_shards: int = 0
    cluster_split: bool = False

    def width_of(self, signal: Signal) -> int:
        """Units of ``signal`` that this process sends; 0 where that is not known."""
        if signal == Signal.INPUT:
            return self.input_unit_count or self.fan_in
        return self.unit_range[1] if self.unit_range else self.unit_count
