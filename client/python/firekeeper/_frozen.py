"""Forward passes between two steps that leave a model as it was."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterable, Iterator, Optional

import torch
from torch import nn

from firekeeper._observer import Observer
from firekeeper._vocabulary import Phase


def run_frozen(
    model: nn.Module,
    observer: Observer,
    batches: Iterable[Any],
    forward: Optional[Callable[[nn.Module, Any], Any]],
    phase: Phase,
) -> None:
    """Runs ``model`` over ``batches``, observed as ``phase``.

    BIRTH runs in training mode, other phases in evaluation mode.
    """
    # Torch's fused inference would run without the modules inside.
    fused = any(isinstance(each, nn.TransformerEncoderLayer) for each in model.modules())
    with observer.frozen(phase), _as_it_was(model), torch.random.fork_rng():
        model.train(phase == Phase.BIRTH)
        for batch in batches:
            # The graph of the first pass tells which layer reads which.
            with torch.set_grad_enabled(fused or not observer.declared):
                _forward(model, batch, forward)
            observer.finish_discovery()


@contextlib.contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Modes and buffers are afterwards what they were before."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for module, name, buffer, before in buffers:
                if buffer.shape == before.shape:
                    buffer.copy_(before)
                else:
                    buffer = before
                module._buffers[name] = buffer


def _forward(
    model: nn.Module, batch: Any, forward: Optional[Callable[[nn.Module, Any], Any]]
) -> None:
    if forward is not None:
        forward(model, batch)
    else:
        model(batch[0] if isinstance(batch, (tuple, list)) else batch)
