"""Stops a training in which too much has died."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from firekeeper._errors import TrainingStopped


class StopRule:
    """A limit of dead units, made by ``stop_if``. Thread-safe: it never changes.

    Attributes:
        max_dead: the greatest share that is allowed, 0 to 1.
        layer: the layer that is meant; None: every layer, and the run as a whole.
    """

    def __init__(self, max_dead: float, layer: Optional[str] = None) -> None:
        if not 0 <= max_dead <= 1:
            raise ValueError(f"max_dead: got {max_dead}; it is a share, 0 to 1")
        self.max_dead = max_dead
        self.layer = layer

    def check(self, dead_share: float, layer: str = "") -> None:
        """Compares the dead share of a layer, 0 to 1, with the limit; empty: of the run.

        Raises:
            TrainingStopped: it is meant, and more are dead. Exactly the limit is allowed.
        """
        if self.layer not in (None, layer):
            return
        if dead_share > self.max_dead:
            raise TrainingStopped(dead_share, self.max_dead, layer)

    def __call__(self, diagnosis: Mapping[str, Any]) -> None:
        """Checks what ``Client.diagnosis`` says of every layer and of the run.

        Raises:
            TrainingStopped: as ``check``; layers come first.
        """
        consequences = diagnosis["consequences"]
        if consequences is None:
            return
        for each in consequences["layers"]:
            self.check(each["lost_share"], each["layer"])
        self.check(consequences["lost_share"])


def stop_if(max_dead: float, *, layer: Optional[str] = None) -> StopRule:
    """A rule that raises ``TrainingStopped`` once more than ``max_dead`` are dead.

    Args:
        max_dead: the greatest share of dead units that is allowed, 0 to 1.
        layer: the layer that is meant. None: every layer, and the run as a whole.

    Raises:
        ValueError: ``max_dead`` is no share.
    """
    return StopRule(max_dead, layer)
