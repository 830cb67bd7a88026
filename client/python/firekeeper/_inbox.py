"""What threads that train leave for the sender's thread, and how they wake it."""

from __future__ import annotations

import threading
from typing import NamedTuple, Union

from firekeeper._ring import Slot


class Bell:
    """Wakes one thread. Unlike an Event it may be rung from a signal handler."""

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """wait() returns, now or the next time."""
        try:
            self._silence.release()
        except RuntimeError:  # rung already
            pass

    def wait(self, seconds: float) -> bool:
        """Whether the bell was rung within ``seconds``; silent afterwards."""
        return self._silence.acquire(timeout=min(max(seconds, 0.0), threading.TIMEOUT_MAX))


class ScalarItem(NamedTuple):
    """A number of the whole run at one step."""

    name: str
    step: int
    value: float


class DoneItem(NamedTuple):
    """No snapshot of a step up to this one will follow."""

    step: int


Item = Union[Slot, ScalarItem, DoneItem]
