"""Reduces what passes through a watched model, and says which step it belongs to.

Lives on the training thread. Nothing here raises into the user's code: the hooks catch
and count, and nothing waits for a device.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Set,
    Tuple,
)

import torch
from torch import nn

from firekeeper import _graph, _modules
from firekeeper._graph import Node, PlaceKey
from firekeeper._hooks import Hook
from firekeeper._passes import Call, Passes
from firekeeper._pending import PendingSummary
from firekeeper._places import Place, Selection, activation_of, name_of, places_of, unit_axis_of
from firekeeper._modules import Role
from firekeeper._firing_rule import ReductionRule, rule_for
from firekeeper._tensor_reducer import TensorReducer
from firekeeper._vocabulary import LayerSpec, Phase, Signal
from firekeeper._wrappers import plain_path

# Passes after which the layers are declared although no step has ended, so that what waits
# for that stays small; and after which nobody seems to say when one does.
_MOST_EARLY_PASSES = 16
_MOST_PASSES = 1024


class Observation(NamedTuple):
    """One reduced tensor of one layer."""

    layer: str
    signal: Signal
    phase: Phase
    step: int
    part: int
    pending: PendingSummary


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
        scale_of_gradients: called before a pass that is observed; 1 / the factor of its loss.
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
        scale_of_gradients: Callable[[], float],
        declare: Callable[[List[LayerSpec]], None],
        on_problem: Callable[[Problem], None],
    ) -> None:
        functional = {**_modules.functional_of(model), **selection.functional}
        self._selection = dataclasses.replace(selection, functional=functional)
        self._emit = emit
        self._scale_of_gradients = scale_of_gradients
        self._declare = declare
        self._on_problem = on_problem
        self._reducer = TensorReducer(
            batch_first=batch_first,
            on_refused=lambda text: on_problem(Problem("dtype", text)),
        )
        self._handles: List[Any] = []
        self._module_handles: Dict[str, List[Any]] = {}

        self.step = 0
        self.active = False
        self.passes = Passes(model)
        self._gradient_scale = 1.0
        self.mask: Optional[torch.Tensor] = None

        self._graph: Optional[_graph.Graph] = _graph.Graph()
        self._widths: Dict[PlaceKey, int] = {}
        self._running: Dict[str, List[Optional[Call]]] = collections.defaultdict(list)
        self._early: Deque[Tuple[PlaceKey, Observation]] = collections.deque()
        self._reached: Set[PlaceKey] = set()
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
        self.passes.begin_step()
        self._running.clear()

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
        passes = self.passes
        if not passes.enter():
            return
        self._running.clear()
        if self._graph is not None:
            self._graph.forget_tensors()
            if passes.part >= _MOST_EARLY_PASSES:
                self.finish_discovery()
        if passes.part == _MOST_PASSES:
            text = (
                f"{_MOST_PASSES} passes in step {self.step}: give watch() the optimizer that steps"
            )
            self._on_problem(Problem("steps", f"{text}, or call step()"))
        if self.active and passes.phase == Phase.TRAIN:
            self._gradient_scale = self._scale_of_gradients()

    def _on_model_leave(self, _: nn.Module, __: Any, output: Any) -> None:
        if self.active and self.passes.counts():
            hook = Hook(lambda _: self.passes.note_backward(), self._failed)
            for tensor in _tensors_of(output):
                if tensor.requires_grad:
                    tensor.register_hook(hook)
        self.passes.leave()

    @contextlib.contextmanager
    def frozen(self, phase: Phase) -> Iterator[None]:
        """Everything within is observed as part of ``phase``."""
        active, self.active = self.active, True
        self._reached.clear()
        try:
            with self.passes.frozen(phase):
                yield
            missed = [name_of(key) for key in self.places if key not in self._reached]
            if missed:
                text = f"{phase.name}: {', '.join(missed)} did not run as a module"
                self._on_problem(Problem("unreached", text))
        finally:
            self.active = active

    def _on_enter(
        self, path: str, module: nn.Module, info: _modules.ModuleInfo, arguments: Tuple[Any, ...]
    ) -> None:
        call = self.passes.call(path)
        tensor = arguments[0] if arguments else None
        if call is not None and not isinstance(tensor, torch.Tensor):
            text = f"{name_of(call.key)} is called without a tensor as its first argument"
            self._on_problem(Problem("arguments", text))
            call = None
        self._running[path].append(call)
        if call is None or not isinstance(tensor, torch.Tensor):
            return
        if self._graph is not None:
            node = self._graph.enter(call.key, info, module, tensor)
            if call.observed:
                self._discover_input(call, info, node, tensor)
        elif call.observed and call.key not in self._known:
            text = f"{name_of(call.key)} was not in the first pass"
            self._on_problem(Problem("undeclared", text))
        elif call.observed:
            self._observe_input(call, info, tensor)

    def _observe_input(self, call: Call, info: _modules.ModuleInfo, tensor: torch.Tensor) -> None:
        place = self.places.get(call.key)
        if place is not None and info.role is Role.ACTIVATION:
            self._observe(place, call, Signal.PRE_ACTIVATION, tensor, place.unit_axis)
        reader = self._reads_data.get(call.key)
        if reader is not None and self.passes.phase == Phase.TRAIN:
            self._observe(reader, call, Signal.INPUT, tensor, info.unit_axis or -1)

    def _on_leave(self, path: str, output: Any) -> None:
        running = self._running[path]
        call = running.pop() if running else None
        tensors = list(_tensors_of(output))
        if call is None or not tensors:
            return
        if self._graph is not None:
            node = self._graph.nodes[call.key]
            self._graph.leave(node, tensors[0])
            if call.observed:
                self._discover_output(call, node, tensors[0])
            return
        place = self.places.get(call.key)
        if place is not None and call.observed:
            self._observe_output(place, call, tensors[0])

    def _observe_output(self, place: Place, call: Call, tensor: torch.Tensor) -> None:
        self._reached.add(call.key)
        if call.key[0] in self._selection.functional:
            self._observe(place, call, Signal.PRE_ACTIVATION, tensor, place.unit_axis)
            return
        self._observe(place, call, Signal.ACTIVATION, tensor, place.unit_axis)
        if tensor.requires_grad and self.passes.phase == Phase.TRAIN:
            rule = place.rule(Signal.OUTPUT_GRADIENT)
            self._await_gradient(call, rule, tensor, place.unit_axis)

    def _discover_input(
        self, call: Call, info: _modules.ModuleInfo, node: Node, tensor: torch.Tensor
    ) -> None:
        if info.role is Role.ACTIVATION:
            self._observe_early(call, node, Signal.PRE_ACTIVATION, tensor)
        elif info.role is Role.AFFINE and not node.sources and self.passes.phase == Phase.TRAIN:
            rule = rule_for(Signal.INPUT, activation_of(node, self._selection))
            self._keep(
                call,
                Signal.INPUT,
                self._reducer.reduce(rule, tensor, info.unit_axis or -1, mask=self.mask),
            )

    def _discover_output(self, call: Call, node: Node, tensor: torch.Tensor) -> None:
        axis = unit_axis_of(node, self._selection)
        rank = tensor.dim()
        if axis is None or not -rank <= axis < rank:
            text = f"which axis of {tuple(tensor.shape)} counts the units of {name_of(call.key)}?"
            if node.info.role is not Role.NORM:
                self._on_problem(Problem("axis", f"{text} Say so with unit_axes"))
            return
        self._widths.setdefault(node.key, tensor.shape[axis])
        self._reached.add(call.key)
        if node.key[0] in self._selection.functional:
            self._observe_early(call, node, Signal.PRE_ACTIVATION, tensor)
            return
        self._observe_early(call, node, Signal.ACTIVATION, tensor)
        if tensor.requires_grad and self.passes.phase == Phase.TRAIN:
            rule = rule_for(Signal.OUTPUT_GRADIENT, activation_of(node, self._selection))
            self._await_gradient(call, rule, tensor, axis)

    def _observe_early(self, call: Call, node: Node, signal: Signal, tensor: torch.Tensor) -> None:
        axis = unit_axis_of(node, self._selection)
        if axis is None or not -tensor.dim() <= axis < tensor.dim():
            return
        rule = rule_for(signal, activation_of(node, self._selection))
        self._keep(call, signal, self._reducer.reduce(rule, tensor, axis, mask=self.mask))

    def _keep(self, call: Call, signal: Signal, pending: Optional[PendingSummary]) -> None:
        if pending is None:
            return
        phase = self.passes.phase
        seen = Observation(name_of(call.key), signal, phase, self.step, call.part, pending)
        self._early.append((call.key, seen))

    def finish_discovery(self) -> None:
        """The first pass is over: declares the layers and emits what waited for that."""
        graph = self._graph
        if graph is None or not graph.nodes:
            return
        self._graph = None
        places = places_of(graph, self._widths, self._selection)
        self.places = {each.key: each for each in places}
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
        self, call: Call, rule: ReductionRule, tensor: torch.Tensor, axis: int
    ) -> None:
        step, scale, mask = self.step, self._gradient_scale, self.mask
        name = name_of(call.key)
        came: List[bool] = []

        def on_gradient(gradient: torch.Tensor) -> None:
            self.passes.note_backward()
            if came:
                text = f"{name}: of several backward passes over one forward pass the first counts"
                self._on_problem(Problem("backward", text))
                return
            came.append(True)
            pending = self._reducer.reduce(rule, gradient, axis, scale=scale, mask=mask)
            if pending is None:
                return
            signal = Signal.OUTPUT_GRADIENT
            seen = Observation(name, signal, Phase.TRAIN, step, call.part, pending)
            if self._graph is not None:
                self._early.append((call.key, seen))
            elif call.key in self.places:
                self._emit(seen)

        if not tensor._backward_hooks or tensor.grad_fn is None:
            tensor.register_hook(Hook(on_gradient, self._failed))
            return
        # Torch 1 leaves further hooks of a tensor where the first one was, although an
        # operation in place has changed what the tensor is since.
        index = tensor.output_nr

        def on_function(_: Any, gradients: Tuple[Optional[torch.Tensor], ...]) -> None:
            gradient = gradients[index]
            if gradient is not None:
                on_gradient(gradient)

        tensor.grad_fn.register_hook(Hook(on_function, self._failed))

    def _observe(
        self, place: Place, call: Call, signal: Signal, tensor: torch.Tensor, axis: int
    ) -> None:
        width = place.spec.width_of(signal)
        rank = tensor.dim()
        if not -rank <= axis < rank or tensor.shape[axis] != width:
            text = f"{place.spec.name} {signal.name}: {tuple(tensor.shape)}, not {width} units"
            self._on_problem(Problem("shape", text))
            return
        pending = self._reducer.reduce(place.rule(signal), tensor, axis, mask=self.mask)
        if pending is not None:
            name, phase = place.spec.name, self.passes.phase
            self._emit(Observation(name, signal, phase, self.step, call.part, pending))

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
        pending = self._reducer.reduce(place.rule(signal), tensor, axis, has_clusters=False)
        if pending is not None:
            name = place.spec.name
            self._emit(Observation(name, signal, Phase.TRAIN, self.step, 0, pending))


def _tensors_of(output: Any, depth: int = 3) -> Iterator[torch.Tensor]:
    """The tensors of a module's output, through containers and objects."""
    if isinstance(output, torch.Tensor):
        yield output
        return
    inner: Iterable[Any] = ()
    if isinstance(output, (tuple, list)):
        inner = output
    elif isinstance(output, dict):
        inner = output.values()
    elif hasattr(output, "__dict__") and not isinstance(output, nn.Module):
        inner = vars(output).values()
    if depth > 0:
        for each in inner:
            yield from _tensors_of(each, depth - 1)
