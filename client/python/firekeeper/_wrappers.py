"""What other libraries wrap around a model, and what hooks cannot see through it."""

from __future__ import annotations

from typing import Iterator, Tuple

import torch
from torch import nn

# Parts of a module's path that only say how it is run.
_INSERTED = frozenset(("_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_orig_mod"))


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's model inside wrappers for data parallelism and torch.compile."""
    while True:
        if isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
            model = model.module
            continue
        original = model._modules.get("_orig_mod")
        if original is None:
            return model
        model = original


def plain_path(path: str) -> str:
    """A module's path without what wrappers put into it."""
    return ".".join(part for part in path.split(".") if part not in _INSERTED)


def caveats(model: nn.Module) -> Iterator[Tuple[str, str]]:
    """(kind, text) of what is not observed because of the way ``model`` is run."""
    if _is_compiled(model):
        yield (
            "compiled",
            "torch.compile may run code without the hooks of its modules: call watch() "
            "before it, and compare with a run that is not compiled",
        )
    inner = unwrapped(model)
    scripted = [
        plain_path(path) or "model"
        for path, module in inner.named_modules()
        if isinstance(module, torch.jit.ScriptModule)
    ]
    if scripted:
        yield (
            "scripted",
            f"{scripted[0]} is a ScriptModule: what is inside runs without hooks",
        )
    if any(type(module).__name__ == "FullyShardedDataParallel" for module in inner.modules()):
        yield (
            "sharded",
            "FullyShardedDataParallel flattens parameters: WEIGHT, BIAS, WEIGHT_GRADIENT and "
            "WEIGHT_UPDATE of what it wraps are not observed",
        )


def _is_compiled(model: nn.Module) -> bool:
    """By torch.compile(model) or model.compile() of torch 2."""
    if isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
        model = model.module
    if model._modules.get("_orig_mod") is not None:
        return True
    modules = unwrapped(model).modules()
    return any(getattr(each, "_compiled_call_impl", None) is not None for each in modules)
