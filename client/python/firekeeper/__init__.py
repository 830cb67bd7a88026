"""Finds dead neurons in networks that train, and says since when, why and what to do.

    import firekeeper

    watcher = firekeeper.watch(model, optimizer=optimizer, run="my-run")

``watch``, ``recycle`` and ``register_module`` need torch; ``Stream`` and ``Client`` do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firekeeper._client import Client
from firekeeper._errors import FieldProblem, FirekeeperError, TrainingStopped
from firekeeper._sender import Counters
from firekeeper._stop import StopRule, stop_if
from firekeeper._stream import Stream
from firekeeper._vocabulary import (
    Activation,
    ActivationSpec,
    LayerKind,
    LayerSpec,
    Phase,
    Signal,
)

if TYPE_CHECKING:
    from firekeeper._modules import register_module
    from firekeeper._watch import recycle, watch
    from firekeeper._watcher import Watcher

__all__ = [
    "Activation",
    "ActivationSpec",
    "Client",
    "Counters",
    "FieldProblem",
    "FirekeeperError",
    "LayerKind",
    "LayerSpec",
    "Phase",
    "Signal",
    "StopRule",
    "Stream",
    "TrainingStopped",
    "Watcher",
    "recycle",
    "register_module",
    "stop_if",
    "watch",
]

_OF_TORCH = {
    "Watcher": "_watcher",
    "recycle": "_watch",
    "watch": "_watch",
    "register_module": "_modules",
}


def __getattr__(name: str) -> Any:
    # Whoever has no torch can still stream arrays and read runs.
    module = _OF_TORCH.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
