"""Reduces what passes through a watched model, and says which step it belongs to.

Lives on the training thread. Nothing here raises into the user's code: the hooks catch
and count, and nothing waits for a device.
"""

from __future__ import annotations

import collections
import dataclasses
import weakref
from typing import Any, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import torch
from torch import nn

from firekeeper import _graph, _modules, _native
from firekeeper._graph import Node, PlaceKey
from firekeeper._hooks import Hook
from firekeeper._pending import PendingSummary
from firekeeper._places import Place, Selection, activation_of, name_of, places_of, unit_axis_of
from firekeeper._modules import Role
from firekeeper._firing_rule import ReductionRule, rule_for
from firekeeper._torch_reduce import TorchReducer
from firekeeper._vocabulary import LayerSpec, Phase, Signal
from firekeeper._wrappers import plain_path

# Of the first pass, before the layers are declared.
_MAX_EARLY = 100_000

_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class Observation(NamedTuple):
    """One reduced tensor of one layer."""

    layer: str
    signal: Signal
    phase: Phase
    step: int
    part: int
    pending: PendingSummary


class _Call(NamedTuple):
    """A call of a module that runs now.

    Attributes:
        key: which one.
        observed: it is reduced. The first run of a checkpointed module is not, but shows
            where it stands among the others.
    """

    key: PlaceKey
    observed: bool


class Problem(NamedTuple):
    """Something that could not be observed."""

    kind: str
    text: str


class Observer:
    """Hooks of one model.

    Thread-compatible: forward passes and gradients of a model come from one thread at a
    time, as torch's autograd of one backward pass gives them.

    Args:
        model: the model, unwrapped.
        selection: which layers.
        batch_first: the batch is the first axis of tensors of three axes and more.
        emit: takes what was observed, once the layers are known.
        declare: told of the layers after the first pass; before any ``emit``.
        on_problem: told of what could not be observed; must not raise.
    """

    def __init__(
        self,
        model: nn.Module,
        selection: Selection,
        *,
        batch_first: bool,
        emit: Callable[[Observation], None],
        declare: Callable[[List[LayerSpec]], None],
        on_problem: Callable[[Problem], None],
    ) -> None:
        self._model = weakref.ref(model)
        functional = {**_modules.functional_of(model), **selection.functional}
        self._selection = dataclasses.replace(selection, functional=functional)
        self._batch_first = batch_first
        self._emit = emit
        self._declare = declare
        self._on_problem = on_problem
        self._native = _native.load()
        self._torch = TorchReducer()
        self._handles: List[Any] = []
        self._module_handles: Dict[str, List[Any]] = {}

        self.step = 0
        self.active = False
        self.phase = Phase.TRAIN
        self.gradient_scale = 1.0
        self.mask: Optional[torch.Tensor] = None
        self._part = -1
        self._calls: Dict[str, int] = collections.defaultdict(int)
        self._recomputed: Dict[str, int] = collections.defaultdict(int)
        self._seen_forward: Set[PlaceKey] = set()
        self._backward_began = False

        self._graph: Optional[_graph.Graph] = _graph.Graph()
        self._widths: Dict[PlaceKey, int] = {}
        self._running: Dict[str, List[Optional[_Call]]] = collections.defaultdict(list)
        self._pass_counts = False
        self._early: Deque[Tuple[PlaceKey, Observation]] = collections.deque(maxlen=_MAX_EARLY)
        self.places: Dict[PlaceKey, Place] = {}
        self._reads_data: Dict[PlaceKey, Place] = {}
        self._known: Set[PlaceKey] = set()
        self._hook_model(model)

    @property
    def declared(self) -> bool:
        """The layers are known."""
        return self._graph is None

    def remove(self) -> None:
        """Takes every hook off the model."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def begin_step(self, step: int, active: bool) -> None:
        """What comes belongs to ``step``; nothing is reduced unless ``active``."""
        self.step = step
        self.active = active
        self._part = -1

    def _failed(self, error: BaseException) -> None:
        self._on_problem(Problem("error", f"{type(error).__name__}: {error}"))

    def _hook_model(self, model: nn.Module) -> None:
        hook = Hook(self._on_model_enter, self._failed)
        self._handles.append(model.register_forward_pre_hook(hook))
        for full_path, module in model.named_modules():
            path = plain_path(full_path)
            info = _modules.info_of(module)
            if info is not None:
                self._hook_module(path, module, info)
        hook = Hook(self._on_model_leave, self._failed)
        self._handles.append(model.register_forward_hook(hook))

    def _hook_module(self, path: str, module: nn.Module, info: _modules.ModuleInfo) -> None:
        def enter(_: nn.Module, arguments: Tuple[Any, ...]) -> None:
            if self.active:
                self._on_enter(path, module, info, arguments)

        def leave(_: nn.Module, __: Any, output: Any) -> None:
            if self.active:
                self._on_leave(path, output)

        handles = [
            module.register_forward_pre_hook(Hook(enter, self._failed)),
            module.register_forward_hook(Hook(leave, self._failed)),
        ]
        self._module_handles[path] = handles
        self._handles.extend(handles)

    def _on_model_enter(self, *_: Any) -> None:
        self._pass_counts = self._counts()
        if not self._pass_counts:
            return
        self._part += 1
        self._calls.clear()
        self._recomputed.clear()
        self._seen_forward.clear()
        self._running.clear()
        if self._graph is not None:
            self._graph.forget_tensors()
        self._backward_began = False

    def _on_model_leave(self, _: nn.Module, __: Any, output: Any) -> None:
        if not (self.active and self._counts()):
            return
        for tensor in _tensors_of(output):
            if tensor.requires_grad:
                tensor.register_hook(Hook(self._on_backward, self._failed))

    def _on_backward(self, _: torch.Tensor) -> None:
        self._backward_began = True

    def _counts(self) -> bool:
        """Whether a forward pass that runs now is part of what is watched."""
        if self.phase != Phase.TRAIN:
            return True
        model = self._model()
        return torch.is_grad_enabled() and model is not None and model.training

    def _call_of(self, path: str) -> Optional[_Call]:
        """The call that begins; None where it must not count.

        A checkpointed module runs again in the backward pass. Its first run is observed
        where gradients were enabled in it, the second one otherwise.
        """
        if self._in_backward():
            key = (path, self._recomputed[path])
            self._recomputed[path] += 1
            return None if key in self._seen_forward else _Call(key, True)
        key = (path, self._calls[path])
        self._calls[path] += 1
        if self._counts():
            self._seen_forward.add(key)
            return _Call(key, True)
        return _Call(key, False) if self._pass_counts and self._graph is not None else None

    def _in_backward(self) -> bool:
        task = getattr(torch._C, "_current_graph_task_id", None)
        return self._backward_began if task is None else task() != -1

    def _on_enter(
        self, path: str, module: nn.Module, info: _modules.ModuleInfo, arguments: Tuple[Any, ...]
    ) -> None:
        call = self._call_of(path)
        tensor = arguments[0] if arguments else None
        if not isinstance(tensor, torch.Tensor):
            call = None
        self._running[path].append(call)
        if call is None or not isinstance(tensor, torch.Tensor):
            return
        key = call.key
        if self._graph is not None:
            node = self._graph.enter(key, info, module, tensor)
            if call.observed:
                self._discover_input(key, info, node, tensor)
            return
        if key not in self._known:
            self._on_problem(Problem("undeclared", f"{name_of(key)} was not in the first pass"))
            return
        place = self.places.get(key)
        if place is not None and info.role is Role.ACTIVATION:
            self._observe(place, Signal.PRE_ACTIVATION, tensor, place.unit_axis)
        reader = self._reads_data.get(key)
        if reader is not None and self.phase == Phase.TRAIN:
            self._observe(reader, Signal.INPUT, tensor, info.unit_axis or -1)

    def _on_leave(self, path: str, output: Any) -> None:
        running = self._running[path]
        call = running.pop() if running else None
        tensors = list(_tensors_of(output))
        if call is None or not tensors:
            return
        key, tensor = call.key, tensors[0]
        if self._graph is not None:
            node = self._graph.nodes[key]
            self._graph.leave(node, tensor)
            if call.observed:
                self._discover_output(node, tensor)
            return
        place = self.places.get(key)
        if place is None:
            return
        if place.spec.name in self._selection.functional:
            self._observe(place, Signal.PRE_ACTIVATION, tensor, place.unit_axis)
            return
        self._observe(place, Signal.ACTIVATION, tensor, place.unit_axis)
        if tensor.requires_grad and self.phase == Phase.TRAIN:
            rule = place.rule(Signal.OUTPUT_GRADIENT)
            self._await_gradient(key, rule, tensor, place.unit_axis)

    def _discover_input(
        self, key: PlaceKey, info: _modules.ModuleInfo, node: Node, tensor: torch.Tensor
    ) -> None:
        if info.role is Role.ACTIVATION:
            self._observe_early(key, node, Signal.PRE_ACTIVATION, tensor)
        elif info.role is Role.AFFINE and not node.sources and self.phase == Phase.TRAIN:
            rule = rule_for(Signal.INPUT, activation_of(node, self._selection))
            self._keep(key, Signal.INPUT, self._reduce(rule, tensor, info.unit_axis or -1))

    def _discover_output(self, node: Node, tensor: torch.Tensor) -> None:
        if tensor.dim() == 0:
            return
        axis = unit_axis_of(node, self._selection)
        self._widths.setdefault(node.key, tensor.shape[axis])
        if node.key[0] in self._selection.functional:
            self._observe_early(node.key, node, Signal.PRE_ACTIVATION, tensor)
            return
        self._observe_early(node.key, node, Signal.ACTIVATION, tensor)
        if tensor.requires_grad and self.phase == Phase.TRAIN:
            rule = rule_for(Signal.OUTPUT_GRADIENT, activation_of(node, self._selection))
            self._await_gradient(node.key, rule, tensor, axis)

    def _observe_early(
        self, key: PlaceKey, node: Node, signal: Signal, tensor: torch.Tensor
    ) -> None:
        rule = rule_for(signal, activation_of(node, self._selection))
        axis = unit_axis_of(node, self._selection)
        self._keep(key, signal, self._reduce(rule, tensor, axis))

    def _keep(self, key: PlaceKey, signal: Signal, pending: Optional[PendingSummary]) -> None:
        if pending is None:
            return
        part = max(0, self._part)
        seen = Observation(name_of(key), signal, self.phase, self.step, part, pending)
        self._early.append((key, seen))

    def finish_discovery(self) -> None:
        """The first pass is over: declares the layers and emits what waited for that."""
        graph = self._graph
        if graph is None or not graph.nodes:
            return
        self._graph = None
        places = places_of(graph, self._widths, self._selection)
        nodes = {name_of(node.key): node for node in graph.nodes.values()}
        self.places = {nodes[each.spec.name].key: each for each in places}
        self._known = set(graph.nodes)
        names: Dict[PlaceKey, str] = {}
        for node in graph.nodes.values():
            layer = _graph.place_of(node)
            place = None if layer is None else self.places.get(layer.key)
            if place is None:
                continue
            names[node.key] = place.spec.name
            if place.reads_data and node.info.role is Role.AFFINE:
                self._reads_data[node.key] = place
        self._drop_idle_hooks()
        self._declare([each.spec for each in places])
        while self._early:
            key, seen = self._early.popleft()
            of_layer = key in self.places or (
                seen.signal == Signal.INPUT and key in self._reads_data
            )
            if of_layer:
                self._emit(seen._replace(layer=names[key]))

    def _drop_idle_hooks(self) -> None:
        needed = {path for path, _ in self.places} | {path for path, _ in self._reads_data}
        for path, handles in self._module_handles.items():
            if path in needed:
                continue
            for handle in handles:
                handle.remove()

    def _await_gradient(
        self, key: PlaceKey, rule: ReductionRule, tensor: torch.Tensor, axis: int
    ) -> None:
        step, part = self.step, max(0, self._part)

        def on_gradient(gradient: torch.Tensor) -> None:
            pending = self._reduce(rule, gradient, axis, scale=self.gradient_scale)
            if pending is None:
                return
            seen = Observation(
                name_of(key), Signal.OUTPUT_GRADIENT, Phase.TRAIN, step, part, pending
            )
            if self._graph is not None:
                self._early.append((key, seen))
            elif key in self.places:
                self._emit(seen)

        tensor.register_hook(Hook(on_gradient, self._failed))

    def _observe(self, place: Place, signal: Signal, tensor: torch.Tensor, axis: int) -> None:
        width = place.spec.width_of(signal)
        rank = tensor.dim()
        if not -rank <= axis < rank or tensor.shape[axis] != width:
            text = f"{place.spec.name} {signal.name}: {tuple(tensor.shape)}, not {width} units"
            self._on_problem(Problem("shape", text))
            return
        pending = self._reduce(place.rule(signal), tensor, axis)
        if pending is not None:
            part = max(0, self._part)
            name = place.spec.name
            self._emit(Observation(name, signal, self.phase, self.step, part, pending))

    def observe_parameter(self, place: Place, signal: Signal, tensor: torch.Tensor) -> None:
        """WEIGHT, BIAS, WEIGHT_GRADIENT or WEIGHT_UPDATE of the step that ends."""
        axis = 0
        if signal != Signal.BIAS and place.affine is not None:
            of_weight = _modules.weight_unit_axis(place.affine)
            if of_weight is None:
                return
            axis = of_weight
        if tensor.dim() == 0 or tensor.shape[axis] != place.spec.width_of(signal):
            return
        pending = self._reduce(place.rule(signal), tensor, axis, has_clusters=False)
        if pending is not None:
            name = place.spec.name
            self._emit(Observation(name, signal, Phase.TRAIN, self.step, 0, pending))

    def _reduce(
        self,
        rule: ReductionRule,
        tensor: torch.Tensor,
        axis: int,
        *,
        scale: float = 1.0,
        has_clusters: bool = True,
    ) -> Optional[PendingSummary]:
        rank = tensor.dim()
        unit_axis = axis % rank if rank > 0 else 0
        if tensor.dtype not in _DTYPES or tensor.layout != torch.strided or not 1 <= rank <= 8:
            self._on_problem(Problem("dtype", f"{tensor.dtype}, {rank} axes, {tensor.layout}"))
            return None
        cluster_axis = self._cluster_axis(rank, unit_axis) if has_clusters else None
        mask = self._mask_for(tensor, unit_axis) if has_clusters else None
        with torch.no_grad():
            values = tensor.detach()
            if self._native is not None and values.device.type == "cpu":
                return self._native.reduce(
                    values,
                    rule,
                    unit_axis=unit_axis,
                    cluster_axis=cluster_axis,
                    mask=mask,
                    scale=scale,
                )
            return self._torch.reduce(
                values,
                rule,
                unit_axis=unit_axis,
                cluster_axis=cluster_axis,
                mask=mask,
                scale=scale,
            )

    def _cluster_axis(self, rank: int, unit_axis: int) -> Optional[int]:
        if rank < 2:
            return None
        batch = 1 if rank == 3 and not self._batch_first and unit_axis == 2 else 0
        return None if batch == unit_axis else batch

    def _mask_for(self, tensor: torch.Tensor, unit_axis: int) -> Optional[torch.Tensor]:
        """The padding mask, where it has the shape of the tensor without its units."""
        mask = self.mask
        if mask is None:
            return None
        shape = tensor.shape[:unit_axis] + tensor.shape[unit_axis + 1 :]
        return mask if mask.shape == shape else None


def _tensors_of(output: Any) -> Iterator[torch.Tensor]:
    """The tensors of a module's output, through tuples, lists and dicts."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, dict):
        for each in output.values():
            yield from _tensors_of(each)
    elif isinstance(output, (tuple, list)):
        for each in output:
            yield from _tensors_of(each)
