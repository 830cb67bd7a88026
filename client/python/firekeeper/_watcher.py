"""What ``watch()`` gives: the face of one model that is watched."""

from __future__ import annotations

import collections
import functools
import logging
import os
import threading
import time
import weakref
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Union

import torch
from torch import nn

from firekeeper import _wrappers
from firekeeper._frozen import run_frozen
from firekeeper._live import EventCallback, Live
from firekeeper._observer import Observation, Observer, Problem
from firekeeper._optimizer import StepHooks
from firekeeper._parameters import Parameters
from firekeeper._places import Selection
from firekeeper._sampler import Sampler
from firekeeper._scalars import Scalars
from firekeeper._sender import Counters, Sender
from firekeeper._vocabulary import LayerSpec, Phase

_logger = logging.getLogger("firekeeper")

# The one of each model that is watched.
watchers: "weakref.WeakKeyDictionary[nn.Module, Watcher]" = weakref.WeakKeyDictionary()

# Steps without a layer after which something is wrong.
_STEPS_WITHOUT_LAYERS = 32


class Watcher:
    """What ``watch()`` gives: stream of one model to a Firekeeper server.

    Never raises into the training, never waits for the network, and changes neither the
    model's results nor its state. What goes wrong is logged once on the logger
    ``firekeeper`` and counted.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        selection: Selection,
        sampler: Sampler,
        start_sender: Callable[[List[LayerSpec]], Sender],
        *,
        batch_first: bool,
        resume_step: int,
        sends_scalars: bool,
        scaler: Optional[Any],
        live: Optional[Live] = None,
    ) -> None:
        self._model = weakref.ref(model)
        self._live = live
        self._sampler = sampler
        self._start_sender = start_sender
        self._sender: Optional[Sender] = None
        self._step = self._first_step = resume_step
        self._sends_scalars = sends_scalars
        self._scaler = scaler
        self._problems: Dict[str, int] = collections.Counter()
        self._lock = threading.Lock()
        self._closed = False
        self._complete = True
        self._scalars = Scalars()
        self._scale_step = -1
        self._began = time.perf_counter()
        self._pid = os.getpid()
        self._observer = Observer(
            model,
            selection,
            batch_first=batch_first,
            emit=self._emit,
            scale_of_gradients=self._scale_of_gradients,
            declare=self._on_declared,
            on_problem=self._on_problem,
        )
        self._observer.begin_step(resume_step, True)
        self._optimizers = [weakref.ref(each) for each in optimizers]
        self._parameters = Parameters(self._observer, self._optimizers)
        self._step_hooks = [
            StepHooks(
                each,
                functools.partial(self._guarded_before_step, number),
                self._end_step if number == len(optimizers) - 1 else self._ignore,
            )
            for number, each in enumerate(optimizers)
        ]

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Watcher":
        return self

    @property
    def step_index(self) -> int:
        """The step that runs now."""
        return self._step

    @property
    def layers(self) -> List[LayerSpec]:
        """The layers that are watched; empty before the first forward pass."""
        return [place.spec for place in self._observer.places.values()]

    @property
    def every(self) -> int:
        """The distance between observed steps now."""
        return self._sampler.every

    @property
    def problems(self) -> Dict[str, int]:
        """What could not be observed, by kind."""
        with self._lock:
            return dict(self._problems)

    def counters(self) -> Optional[Counters]:
        """What became of the snapshots; None before the first step is over."""
        return None if self._sender is None else self._sender.counters()

    def step(self) -> None:
        """Ends a step by hand, where no optimizer was given."""
        self._guarded_before_step(-1, False)
        self._end_step()

    def dead_units(self, layer: str) -> List[int]:
        """Indices of the units of ``layer`` that are dead, ascending, as the server sees
        them now.

        Raises:
            FirekeeperError: the server cannot be reached, or does not know the layer yet.
        """
        return self._asking().dead_units(layer)

    def diagnosis(self) -> Dict[str, Any]:
        """Why units died and what to do, as ``Client.diagnosis``.

        Raises:
            FirekeeperError: the server cannot be reached, or does not know the run yet.
        """
        return self._asking().diagnosis()

    def on_event(self, callback: EventCallback, *, on_training_thread: bool = False) -> None:
        """Calls ``callback`` with each event of the run, as ``Client.watch_events``.

        Args:
            callback: its exceptions are logged.
            on_training_thread: at the end of a step instead of on a thread of its own.
        """
        self._asking().on_event(callback, on_training_thread=on_training_thread)

    def stop_if(
        self, *, max_dead: float, layer: Optional[str] = None, every_seconds: float = 5.0
    ) -> None:
        """Ends the training when too many units are dead.

        The next ``optimizer.step`` after that raises ``TrainingStopped``, having done its
        work. Nothing is raised as long as the server cannot be asked.

        Args:
            max_dead: the share of units that may be dead, 0 to 1.
            layer: of this layer; None: of all but the last together.
            every_seconds: how often the server is asked.

        Raises:
            ValueError: ``max_dead`` is not a share.
        """
        if not 0.0 <= max_dead <= 1.0:
            raise ValueError(f"max_dead: got {max_dead}; allowed is 0 to 1")
        self._asking().stop_if(max_dead, layer, every_seconds)

    def affine_of(self, layer: str) -> Optional[nn.Module]:
        """The module with the weights of a layer; None: it has none, or is not watched."""
        for place in self._observer.places.values():
            if place.spec.name == layer:
                return place.affine
        return None

    def note_again(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """watch() was called again."""
        mine = {id(reference()) for reference in self._optimizers}
        if any(id(each) not in mine for each in optimizers):
            text = "watch() again with another optimizer: close() the watcher before"
            self._on_problem(Problem("again", text))

    def note_caveats(self, model: nn.Module) -> None:
        """Says what cannot be observed because of what is wrapped around the model."""
        for kind, text in _wrappers.caveats(model):
            self._on_problem(Problem(kind, text))

    def _asking(self) -> Live:
        if self._live is None:
            raise RuntimeError("this watcher has no server to ask")
        return self._live

    def scalar(self, name: str, value: Union[float, torch.Tensor]) -> None:
        """A number of this step: ``loss``, ``gradient_norm``, ``loss_scale``.

        A tensor of one entry is read later, without waiting for its device.
        """
        self._guarded(lambda: self._scalars.note(name, self._step, value))()

    def loss(self, value: Union[float, torch.Tensor]) -> None:
        """``scalar("loss", value)``."""
        self.scalar("loss", value)

    def padding_mask(self, valid: Optional[torch.Tensor]) -> None:
        """Which positions hold data, from now on: bool [batch, position], True = valid.

        Applied to every tensor whose axes without its units have that shape, [position,
        batch] without ``batch_first``, and to its gradient. None: all.
        """
        self._observer.mask = valid

    def probe(
        self,
        batches: Iterable[Any],
        forward: Optional[Callable[[nn.Module, Any], Any]] = None,
    ) -> None:
        """Runs the model over a frozen, finite set, in evaluation mode.

        Units that stay silent on all of it are DEAD_ON_SET. The model's mode, buffers
        and the random state are as before afterwards.

        Args:
            batches: what ``forward`` takes; a tuple's or list's first entry is the input.
            forward: how to run one batch; default ``model(batch)``.

        Raises:
            Exception: what the model raises.
        """
        self._run_frozen(batches, forward, Phase.PROBE)

    def birth(
        self,
        batches: Iterable[Any],
        forward: Optional[Callable[[nn.Module, Any], Any]] = None,
    ) -> None:
        """Runs the model forward before the first update, as in training.

        Arguments and exceptions are those of ``probe``.
        """
        self._run_frozen(batches, forward, Phase.BIRTH)

    def close(self, deadline: float = 5.0) -> bool:
        """Sends what is buffered and takes the hooks off.

        Args:
            deadline: seconds, at most.

        Returns:
            Whether the server has everything. Later calls do nothing and return the same.
        """
        if self._closed:
            return self._complete
        self._closed = True
        for hooks in self._step_hooks:
            hooks.remove()
        self._guarded(self._observer.finish_discovery)()
        self._observer.remove()
        self._guarded(lambda: self._scalars.send(wait=True))()
        self._parameters.forget()
        model = self._model()
        if model is not None:
            watchers.pop(model, None)
        if self._sender is not None:
            self._complete = self._sender.close(deadline)
        if self._live is not None:
            self._live.close()
        return self._complete

    def _guarded(self, function: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            # A worker of a DataLoader has a copy of everything, and no say.
            if os.getpid() != self._pid:
                return
            try:
                function()
            except Exception as error:  # pylint: disable=broad-except
                self._on_problem(Problem("error", f"{type(error).__name__}: {error}"))

        return call

    def _end_step(self) -> None:
        self._guarded(self._after_step)()
        # Here the user has asked for exceptions.
        if self._live is not None and os.getpid() == self._pid:
            self._live.at_step_end()

    def _ignore(self) -> None:
        pass

    def _on_problem(self, problem: Problem) -> None:
        with self._lock:
            self._problems[problem.kind] += 1
            first = self._problems[problem.kind] == 1
        if first:
            _logger.warning("firekeeper: not observed (%s): %s", problem.kind, problem.text)

    def _on_declared(self, layers: List[LayerSpec]) -> None:
        if not layers:
            self._on_problem(Problem("layers", "the model has no layer that is known"))
            return
        self._sender = self._start_sender(layers)
        self._scalars.start(self._sender)

    def _emit(self, seen: Observation) -> None:
        if self._sender is not None:
            self._sender.enqueue(
                seen.layer, seen.signal, seen.phase, seen.step, seen.part, seen.pending
            )

    def _guarded_before_step(self, number: int, has_closure: bool) -> None:
        self._guarded(lambda: self._before_step(number, has_closure))()

    def _before_step(self, number: int, has_closure: bool) -> None:
        if self._closed or not self._observer.active:
            return
        self._observer.finish_discovery()
        if not self._sampler.includes_parameters(self._step):
            return
        if has_closure:
            text = "step(closure) computes gradients itself: WEIGHT_GRADIENT and gradient_norm"
            self._on_problem(Problem("closure", text))
        self._parameters.before_step(number, has_gradients=not has_closure)

    def _after_step(self) -> None:
        if self._closed:
            return
        if self._observer.active:
            norm = self._parameters.after_step()
            if self._sends_scalars:
                self._note_rates()
                if norm is not None:
                    self._scalars.note("gradient_norm", self._step, norm)
        self._scalars.send(wait=False)
        if self._sender is not None:
            self._sender.step_done(self._step)
        now = time.perf_counter()
        self._sampler.took(self._step, now - self._began)
        self._began = now
        self._step += 1
        if not self._observer.declared and self._step - self._first_step == _STEPS_WITHOUT_LAYERS:
            text = "no forward pass of the model in training mode, with gradients enabled"
            self._on_problem(Problem("passes", text))
        active = self._sampler.includes(self._step) or not self._observer.declared
        self._observer.begin_step(self._step, active)

    def _note_rates(self) -> None:
        number = 0
        for reference in self._optimizers:
            optimizer = reference()
            if optimizer is None:
                continue
            for group in optimizer.param_groups:
                name = "learning_rate" if number == 0 else f"learning_rate.{number}"
                self._scalars.note(name, self._step, group["lr"])
                number += 1

    def _scale_of_gradients(self) -> float:
        """1 / the factor of the loss of the pass that begins."""
        if self._scaler is None:
            return 1.0
        scale = float(self._scaler.get_scale())
        if self._sends_scalars and self._scale_step != self._step:
            self._scale_step = self._step
            self._scalars.note("loss_scale", self._step, scale)
        return 1.0 / scale if scale > 0.0 else 1.0

    def _run_frozen(
        self,
        batches: Iterable[Any],
        forward: Optional[Callable[[nn.Module, Any], Any]],
        phase: Phase,
    ) -> None:
        model = self._model()
        if model is not None and not self._closed:
            run_frozen(model, self._observer, batches, forward, phase)
