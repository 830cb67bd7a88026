"""The layers of a watched model: what each is called, and what is observed of it."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import weakref
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import torch
from torch import nn

from firekeeper import _graph, _modules, _names
from firekeeper._firing_rule import ReductionRule, rule_for
from firekeeper._graph import Node, PlaceKey
from firekeeper._modules import Role
from firekeeper._vocabulary import Activation, ActivationSpec, LayerKind, LayerSpec, Signal


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which layers are watched, and how they differ from what is found.

    Attributes:
        include: patterns (``fnmatch``) of layer names; empty: all.
        exclude: patterns of names that are left out all the same.
        functional: the activation that the code around an affine module applies to its
            output by a function call, by module path.
        unit_ranges: (first unit, units of the whole layer) of layers that this process
            holds a part of, by layer name.
        unit_axes: of outputs, by module path.
        data_shard: which part of the data this process sees.
        data_shards: how many parts; 0: every process has its own.
        cluster_split: several processes hold pieces of one example.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    functional: Mapping[str, ActivationSpec] = dataclasses.field(default_factory=dict)
    unit_ranges: Mapping[str, Tuple[int, int]] = dataclasses.field(default_factory=dict)
    unit_axes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    data_shard: int = 0
    data_shards: int = 0
    cluster_split: bool = False

    def takes(self, name: str) -> bool:
        """Whether the layer is watched."""

        def matches(patterns: Sequence[str]) -> bool:
            return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

        return (not self.include or matches(self.include)) and not matches(self.exclude)


@dataclasses.dataclass
class Place:
    """One layer.

    Attributes:
        key: which call of which module it is.
        spec: what is declared of it.
        affine_reference: of ``affine``; a watcher keeps no model alive.
        unit_axis: of ACTIVATION and PRE_ACTIVATION.
        reads_data: no other layer comes before it: its INPUT is observed.
    """

    key: PlaceKey
    spec: LayerSpec
    affine_reference: Optional["weakref.ref[nn.Module]"]
    unit_axis: int
    reads_data: bool
    _rules: Dict[Signal, ReductionRule] = dataclasses.field(default_factory=dict)

    @property
    def affine(self) -> Optional[nn.Module]:
        """The module with WEIGHT and BIAS; None: it has none."""
        return None if self.affine_reference is None else self.affine_reference()

    def rule(self, signal: Signal) -> ReductionRule:
        """How ``signal`` of this layer is reduced."""
        rule = self._rules.get(signal)
        if rule is None:
            rule = rule_for(signal, self.spec.activation, self.spec.cluster_split)
            self._rules[signal] = rule
        return rule


@functools.lru_cache(maxsize=4096)
def name_of(key: PlaceKey) -> str:
    """The layer's name in the protocol: ``encoder.0.relu``, ``encoder.0.relu:1``."""
    path, call = key
    name = _names.valid_name(path or "model")
    return name + (f":{call}" if call else "")


def activation_of(node: Node, selection: Selection) -> ActivationSpec:
    """The activation function that decides when a unit of the layer fires."""
    given = selection.functional.get(node.key[0])
    return given or node.info.activation or ActivationSpec(Activation.LINEAR)


def unit_axis_of(node: Node, selection: Selection) -> Optional[int]:
    """The axis of the output that counts the units; None: not known."""
    return selection.unit_axes.get(node.key[0], node.unit_axis)


def places_of(
    graph: _graph.Graph, widths: Mapping[PlaceKey, int], selection: Selection
) -> List[Place]:
    """The layers of a forward pass, in its order.

    Args:
        graph: the calls of the pass.
        widths: units of the output of each call.
        selection: which to take.
    """
    nodes = sorted(graph.nodes.values(), key=lambda each: each.order)
    layers = [each for each in nodes if _graph.place_of(each) is each and widths.get(each.key)]
    residual = _graph.residual_places(layers)
    taken = [each for each in layers if selection.takes(name_of(each.key))]
    places: List[Place] = []
    for index, node in enumerate(taken):
        names = [name_of(each.key) for each in _graph.inputs_of(node) if each in taken]
        # What comes through code that leaves no trace was still made by a layer.
        if not names and index > 0:
            names = [name_of(taken[index - 1].key)]
        order = layers.index(node)
        place = _place(node, widths[node.key], selection)
        spec = dataclasses.replace(
            place.spec,
            order=order,
            inputs=tuple(names),
            residual=node.key in residual,
            is_output=order == len(layers) - 1 and len(layers) > 1,
        )
        places.append(dataclasses.replace(place, spec=spec, reads_data=order == 0))
    return places


def _place(node: Node, width: int, selection: Selection) -> Place:
    is_activation = node.info.role is Role.ACTIVATION
    affine_node = _graph.affine_of(node) if is_activation else None
    affine: Optional[nn.Module] = None
    if affine_node is not None:
        affine = affine_node.module
    elif node.info.role is Role.AFFINE:
        affine = node.module
    fan_in, input_units = 0, 0
    weight = getattr(affine, "weight", None)
    if affine is not None and isinstance(weight, torch.Tensor):
        axis = _modules.weight_unit_axis(affine)
        fan_in = 0 if axis is None else _modules.fan_in_of(weight, axis)
        input_units = _modules.input_units_of(affine)
    name = name_of(node.key)
    unit_range: Optional[Tuple[int, int]] = None
    units = width
    if name in selection.unit_ranges:
        first, units = selection.unit_ranges[name]
        unit_range = (first, width)
    spec = LayerSpec(
        name=name,
        unit_count=units,
        activation=activation_of(node, selection),
        kind=affine_node.info.kind if affine_node is not None else node.info.kind,
        fan_in=fan_in,
        input_unit_count=input_units,
        norm_before=node.info.role is Role.NORM or _graph.has_norm_before(node),
        unit_range=unit_range,
        data_shard=selection.data_shard,
        data_shards=selection.data_shards,
        cluster_split=selection.cluster_split,
    )
    if spec.kind == LayerKind.UNSPECIFIED:
        spec = dataclasses.replace(spec, kind=LayerKind.ACTIVATION)
    axis = unit_axis_of(node, selection)
    assert axis is not None  # it has a width
    return Place(node.key, spec, None if affine is None else weakref.ref(affine), axis, False)
