"""``firekeeper.watch()``: one line in a PyTorch trainer."""

from __future__ import annotations

import os
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import torch
from torch import nn

from firekeeper import _config, _recycle, _wrappers
from firekeeper._client import Client
from firekeeper._live import EventCallback, Live
from firekeeper._options import SenderOptions
from firekeeper._places import Selection
from firekeeper._sampler import DEFAULT_PARAMETER_DISTANCE, LONGEST_DISTANCE, Sampler
from firekeeper._sender import Sender
from firekeeper._vocabulary import ActivationSpec
from firekeeper._watcher import Watcher, watchers

Optimizers = Union[torch.optim.Optimizer, Sequence[torch.optim.Optimizer]]


def watch(
    model: nn.Module,
    *,
    optimizer: Optional[Optimizers] = None,
    run: Optional[str] = None,
    every: Optional[int] = None,
    parameters_every: int = DEFAULT_PARAMETER_DISTANCE,
    budget: float = 0.01,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    functional: Optional[Mapping[str, ActivationSpec]] = None,
    batch_first: bool = True,
    unit_axes: Optional[Mapping[str, int]] = None,
    unit_ranges: Optional[Mapping[str, Tuple[int, int]]] = None,
    data_shard: int = 0,
    data_shards: int = 0,
    cluster_split: bool = False,
    scaler: Optional[Any] = None,
    birth_data: Optional[Iterable[Any]] = None,
    forward: Optional[Callable[[nn.Module, Any], Any]] = None,
    resume_step: Optional[int] = None,
    remedy_of: Optional[str] = None,
    labels: Optional[Mapping[str, str]] = None,
    **connection: Any,
) -> Watcher:
    """Streams what happens in ``model`` to a Firekeeper server while it trains.

        watcher = firekeeper.watch(model, optimizer=optimizer, run="my-run")

    Layers are found in the first forward pass of training: activation modules, each
    with the Linear or convolution and the norm before it; Linear, convolution, Embedding
    and MultiheadAttention modules without one; norms that read several layers, or one
    other than those. A layer is named after the module whose output it is. Forward passes count that run with gradients enabled and the model in training
    mode; a step ends with ``optimizer.step``.

    Watching a model that is watched gives the same watcher again.

    Args:
        model: the model; of a DistributedDataParallel wrapper the module inside is watched.
            What torch.compile, TorchScript and FSDP hide is logged.
        optimizer: whose steps are counted; of several, one step of the last ends a step.
            None: call ``watcher.step()`` after every update.
        run: names the training job. Default: FIREKEEPER_RUN.
        every: observes steps 0 to 10, 20, 50, 100 and every multiple of this, a power of
            two up to 128. Default: FIREKEEPER_EVERY, else 16 at first, and in a run of one
            process doubled until observing takes at most ``budget`` of the time.
        parameters_every: of the observed steps, those to read the parameters, their gradients
            and updates at: 0 to 10, 20, 50, 100 and every multiple of this. On a CPU that
            takes longer than the rest.
        budget: share of the training time.
        include: patterns (``fnmatch``) of layer names; empty: all.
        exclude: patterns of names that are left out all the same.
        functional: activation functions that the model calls as functions, by the path of
            the Linear or convolution whose output they are given. Those of
            ``nn.TransformerEncoderLayer`` and ``nn.TransformerDecoderLayer`` are known.
        batch_first: the batch is the first axis of tensors of shape [batch, position, unit];
            False: [position, batch, unit].
        unit_axes: axis of the units of a module's output, by its path, where it is neither
            the last one nor a convolution's channels.
        unit_ranges: of layers whose units are spread over processes (tensor parallelism):
            (first unit here, units of the whole layer), by layer name.
        data_shard: which part of the data this process sees, where several see the same:
            the data-parallel rank of a tensor-parallel job.
        data_shards: how many parts there are; 0: every process sees its own.
        cluster_split: processes hold pieces of one example (sequence parallelism), so that
            a whole step counts as one independent example.
        scaler: a ``torch.cuda.amp.GradScaler``, or whatever has ``get_scale()``: the factor
            of the loss whose gradients the backward pass computes.
        birth_data: batches to run forward before the first update, see ``Watcher.birth``.
        forward: how to run one batch of ``birth_data``.
        resume_step: the first step that this process executes; after a checkpoint.
        remedy_of: the run that this one tries to remedy.
        labels: of the run; at most 32.
        connection: ``endpoint``, ``token``, ``token_file``, ``tls``, ``ca_cert``,
            ``client_cert``, ``client_key``, ``launch_token``, ``source``, ``source_count``,
            ``ring_bytes``, ``disabled``; each falls back to FIREKEEPER_<NAME>.

    Raises:
        ValueError: an argument cannot be used: names it, what came and what is allowed.
        TypeError: ``model`` is no module, or there is no such option.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: got {type(model).__name__}; allowed is a torch.nn.Module")
    inner = _wrappers.unwrapped(model)
    known = watchers.get(inner)
    if known is not None:
        known.note_again(_optimizers_of(optimizer))
        return known
    if not 0 <= data_shard < max(1, data_shards):
        allowed = f"0 to {max(1, data_shards) - 1}, for data_shards {data_shards}"
        raise ValueError(f"data_shard: got {data_shard}; allowed is {allowed}")
    options = _config.sender_options(
        run=run,
        every=every,
        resume_step=resume_step,
        remedy_of=remedy_of,
        labels=labels,
        **_with_group(connection),
    )
    given = every if every is not None else _every_of_environment(options)
    sampler = Sampler(
        given,
        budget,
        adaptive=options.source_count == 1,
        parameters_every=parameters_every,
    )
    selection = Selection(
        include=tuple(include),
        exclude=tuple(exclude),
        functional=dict(functional or {}),
        unit_ranges=dict(unit_ranges or {}),
        unit_axes=dict(unit_axes or {}),
        data_shard=data_shard,
        data_shards=data_shards,
        cluster_split=cluster_split,
    )
    optimizers = _optimizers_of(optimizer)
    if options.disabled:
        return _Disabled(inner, optimizers, selection, sampler, options)
    watcher = Watcher(
        inner,
        optimizers,
        selection,
        sampler,
        lambda layers: Sender(options, layers),
        batch_first=batch_first,
        resume_step=options.resume_step,
        sends_scalars=options.source == 0,
        scaler=scaler,
        live=Live(options.run, lambda: _client_of(options)),
    )
    watchers[inner] = watcher
    watcher.note_caveats(model)
    if birth_data is not None and options.resume_step == 0:
        watcher.birth(birth_data, forward)
    return watcher


class _Disabled(Watcher):
    """Does nothing: FIREKEEPER_DISABLED, or ``disabled=True``."""

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        selection: Selection,
        sampler: Sampler,
        options: SenderOptions,
    ) -> None:
        super().__init__(
            model,
            (),
            selection,
            sampler,
            lambda layers: Sender(options, layers),
            batch_first=True,
            resume_step=options.resume_step,
            sends_scalars=False,
            scaler=None,
        )
        self.close()

    def dead_units(self, layer: str) -> List[int]:
        """None is known."""
        return []

    def diagnosis(self) -> Dict[str, Any]:
        """Nothing is found."""
        return {
            "findings": [],
            "not_observable": [],
            "consequences": None,
            "evaluated_through_step": -1,
            "remedy_outcome": None,
        }

    def on_event(self, callback: EventCallback, *, on_training_thread: bool = False) -> None:
        """No event comes."""

    def stop_if(
        self, *, max_dead: float, layer: Optional[str] = None, every_seconds: float = 5.0
    ) -> None:
        """Nothing stops."""

    def step(self) -> None:
        """Nothing ends."""


def recycle(
    model: nn.Module,
    optimizer: Optional[torch.optim.Optimizer],
    layer: Union[str, nn.Module],
    units: Iterable[int],
    *,
    outgoing: Optional[Sequence[Union[str, nn.Module]]] = None,
    norms: Optional[Sequence[Union[str, nn.Module]]] = None,
) -> int:
    """``_recycle.recycle``, which also takes the name of a layer that is watched."""
    inner = _wrappers.unwrapped(model)
    watcher = watchers.get(inner)
    if watcher is not None and isinstance(layer, str):
        affine = watcher.affine_of(layer)
        layer = layer if affine is None else affine
    return _recycle.recycle(inner, optimizer, layer, units, outgoing=outgoing, norms=norms)


def _optimizers_of(optimizer: Optional[Optimizers]) -> List[torch.optim.Optimizer]:
    if optimizer is None:
        return []
    if isinstance(optimizer, torch.optim.Optimizer):
        return [optimizer]
    for index, each in enumerate(optimizer):
        if not isinstance(each, torch.optim.Optimizer):
            name = type(each).__name__
            raise TypeError(f"optimizer[{index}]: got {name}; allowed is a torch Optimizer")
    return list(optimizer)


def _with_group(connection: Mapping[str, Any]) -> Dict[str, Any]:
    """Rank and size of the process group, where there is one and nothing else is said."""
    given = dict(connection)
    named = ("source", "source_count")
    in_environment = os.environ.get("FIREKEEPER_SOURCE") or os.environ.get("RANK")
    if any(given.get(each) is not None for each in named) or in_environment:
        return given
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        given["source"] = distributed.get_rank()
        given["source_count"] = distributed.get_world_size()
    return given


def _every_of_environment(options: SenderOptions) -> Optional[int]:
    if not os.environ.get("FIREKEEPER_EVERY", "").strip():
        return None
    if options.every > LONGEST_DISTANCE:
        _config.warn_once("FIREKEEPER_EVERY", str(options.every), "1 to 128")
        return None
    return options.every


def _client_of(options: SenderOptions) -> Client:
    token = options.token
    if not token and options.token_file:
        with open(options.token_file, encoding="utf-8") as file:
            token = file.read().strip()
    return Client(
        options.endpoint,
        token=token,
        ca_cert=options.ca_cert,
        client_cert=options.client_cert,
        client_key=options.client_key,
        tls=options.tls,
    )
