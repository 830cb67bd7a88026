"""Finds which layer feeds which, while a model runs forward once.

A module's output is known by the tensor itself and by the node of the autograd
graph that made it: what reads it directly is seen by the first, what reads it
through views, additions and functional calls by the second.
"""

from __future__ import annotations

import dataclasses
import weakref
from typing import Any, Dict, List, Optional, Set, Tuple

import torch
from torch import nn

from firekeeper._modules import ModuleInfo, Role

# A graph between two modules is small; a bound keeps a strange one from costing.
_MAX_VISITED = 20_000

PlaceKey = Tuple[str, int]
"""Module path and call index within one forward pass of the model."""


@dataclasses.dataclass(eq=False)
class Node:
    """One call of one module.

    Attributes:
        key: which call of which module.
        info: what the module is.
        module: the module.
        sources: the calls whose outputs it read, nearest only.
        order: position among the calls.
        unit_axis: of its output; None: not known.
        rank: axes of its output; 0 before it is there.
        width: units of its output; 0 where they are not known.
        claimed_by: the activation whose layer an affine module or a norm before it is
            part of.
    """

    key: PlaceKey
    info: ModuleInfo
    module: nn.Module
    sources: List["Node"]
    order: int
    unit_axis: Optional[int]
    rank: int = 0
    width: int = 0
    claimed_by: Optional["Node"] = None


class Graph:
    """Records calls in the order in which they are made. Thread-compatible."""

    def __init__(self) -> None:
        self.nodes: Dict[PlaceKey, Node] = {}
        self._by_function: Dict[Any, Node] = {}
        self._by_tensor: Dict[int, Tuple["weakref.ref[torch.Tensor]", Node]] = {}

    def enter(
        self, key: PlaceKey, info: ModuleInfo, module: nn.Module, tensor: torch.Tensor
    ) -> Node:
        """A call of ``module`` begins, reading ``tensor``. The first with a key counts."""
        node = self.nodes.get(key)
        # Without gradients what lies between two modules leaves no trace; where it is
        # computed again, it does.
        if node is not None and node.sources:
            return node
        sources = self.sources_of(tensor)
        axis = info.unit_axis if info.unit_axis is not None else _shared_axis(sources, tensor)
        if node is None:
            node = Node(key, info, module, sources, len(self.nodes), axis)
        else:
            node.sources = [each for each in sources if each.order < node.order]
            node.unit_axis = axis
        if info.role is Role.ACTIVATION:
            _claim(node)
        self.nodes[key] = node
        return node

    def leave(self, node: Node, output: torch.Tensor) -> None:
        """The call has given ``output``."""
        node.rank = output.dim()
        axis = node.unit_axis
        if axis is not None and -node.rank <= axis < node.rank:
            node.width = output.shape[axis]
        if output.grad_fn is not None:
            self._by_function[output.grad_fn] = node
        self._by_tensor[id(output)] = (weakref.ref(output), node)

    def sources_of(self, tensor: torch.Tensor) -> List[Node]:
        """The nearest recorded calls that ``tensor`` was computed from."""
        known = self._by_tensor.get(id(tensor))
        if known is not None and known[0]() is tensor:
            return [known[1]]
        found: List[Node] = []
        visited: Set[Any] = set()
        queue = [tensor.grad_fn]
        while queue and len(visited) < _MAX_VISITED:
            function = queue.pop()
            if function is None or function in visited:
                continue
            visited.add(function)
            node = self._by_function.get(function)
            if node is None:
                queue.extend(after for after, _ in function.next_functions)
            elif node not in found:
                found.append(node)
        return sorted(found, key=lambda each: each.order)

    def forget_tensors(self) -> None:
        """Lets go of the autograd graph, so that it can be freed."""
        self._by_function.clear()
        self._by_tensor.clear()


def _shared_axis(sources: List[Node], tensor: torch.Tensor) -> Optional[int]:
    """The axis of ``tensor`` that counts the units of all ``sources``, from the end."""
    rank = tensor.dim()
    if rank <= 2:
        return -1
    axes: Set[int] = set()
    for source in sources:
        axis = source.unit_axis
        if axis is None or source.rank != rank or not -rank <= axis < rank:
            return None
        if tensor.shape[axis] != source.width:
            return None
        axes.add(axis % rank - rank)
    return axes.pop() if len(axes) == 1 else None


def affine_of(node: Node) -> Optional[Node]:
    """The affine call whose output an activation reads, through norms only."""
    at = node
    while len(at.sources) == 1:
        at = at.sources[0]
        if at.info.role is Role.AFFINE:
            return at if at.claimed_by in (None, node) else None
        if at.info.role is not Role.NORM:
            return None
    return None


def _claim(activation: Node) -> None:
    affine = affine_of(activation)
    if affine is not None:
        affine.claimed_by = activation
    at = activation
    while len(at.sources) == 1 and at.sources[0].info.role is Role.NORM:
        at = at.sources[0]
        if at.claimed_by is not None:
            return
        at.claimed_by = activation


def has_norm_before(node: Node) -> bool:
    """A norm stands right before the activation."""
    return len(node.sources) == 1 and node.sources[0].info.role is Role.NORM


def place_of(node: Node) -> Optional[Node]:
    """The call that is the layer ``node`` belongs to; None for a norm that is none: one
    of the data, or of the output of an affine module."""
    if node.claimed_by is not None:
        return node.claimed_by
    at = node
    while at.info.role is Role.NORM:
        if not at.sources:
            return None
        if len(at.sources) > 1:
            return node
        at = at.sources[0]
        if at.info.role is Role.AFFINE:
            return None
    return node


def inputs_of(place: Node) -> List[Node]:
    """The layers that a layer reads, in forward order."""
    first = affine_of(place) if place.info.role is Role.ACTIVATION else None
    found: List[Node] = []
    queue = list((first or place).sources)
    while queue:
        source = queue.pop()
        layer = place_of(source)
        if layer is None or layer is place:
            queue.extend(source.sources)
        elif layer not in found:
            found.append(layer)
    return sorted(found, key=lambda each: each.order)


def residual_places(places: List[Node]) -> Set[PlaceKey]:
    """Layers that a connection passes by: one that reads two layers of which the first
    leads to the second does so around all that lies between.

    ``places`` are in forward order.
    """
    reads = {place.key: inputs_of(place) for place in places}
    before: Dict[PlaceKey, Set[PlaceKey]] = {}
    for place in places:
        before[place.key] = {each.key for each in reads[place.key]}
        for source in reads[place.key]:
            before[place.key] |= before.get(source.key, set())
    passed: Set[PlaceKey] = set()
    for place in places:
        sources = [each.key for each in reads[place.key] if each.key in before]
        for first, last in zip(sources, sources[1:]):
            if first in before[last]:
                passed |= {each for each in before[last] if first in before[each]} | {last}
    return passed
