"""Numbers of a run that a device may still compute."""

from __future__ import annotations

import collections
from typing import Any, Deque, Optional, Tuple, Union

import torch

from firekeeper._sender import Sender

# That a device still computes, or that wait for the first declaration of layers.
_MOST_WAITING = 1024


class Scalars:
    """Reads tensors once they are there, without waiting for their device."""

    def __init__(self) -> None:
        self._sender: Optional[Sender] = None
        self._waiting: Deque[Tuple[str, int, torch.Tensor, Any]] = collections.deque(
            maxlen=_MOST_WAITING
        )

    def start(self, sender: Sender) -> None:
        """From now on there is somebody to send them."""
        self._sender = sender

    def note(self, name: str, step: int, value: Union[float, torch.Tensor]) -> None:
        """A number of ``step``."""
        if not isinstance(value, torch.Tensor):
            if self._sender is not None:
                self._sender.scalar(name, step, float(value))
                return
            value = torch.tensor(float(value), dtype=torch.float64)
        value = value.detach()
        event = None
        if value.device.type == "cuda":
            value = value.to("cpu", non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        else:
            # A running loss goes on to change.
            value = value.clone()
        self._waiting.append((name, step, value, event))
        self.send(wait=False)

    def send(self, *, wait: bool) -> None:
        """Sends what is there; ``wait``: and what is still computed."""
        while self._sender is not None and self._waiting:
            name, step, value, event = self._waiting[0]
            if event is not None and not wait and not event.query():
                return
            if event is not None:
                event.synchronize()
            self._waiting.popleft()
            self._sender.scalar(name, step, float(value))
