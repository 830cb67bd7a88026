"""What a caller of this package has to expect to go wrong."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional, Tuple


class FieldProblem(NamedTuple):
    """A field of a request that the server refused.

    Attributes:
        field: path of the field, for example ``states[0]``.
        description: what came and what was allowed.
    """

    field: str
    description: str


class FirekeeperError(Exception):
    """A request to a Firekeeper server failed.

    Attributes:
        code: gRPC's name for what went wrong: ``NOT_FOUND``, ``UNAVAILABLE``, ….
        message: what was wrong, in the server's words.
        fields: the fields that were refused, where the server named any.
        reason: a constant that a program can compare, ``SEQUENCE_HOLE`` for example; empty
            where the server gave none.
        metadata: further facts that belong to the reason.
        retry_after_seconds: how long to wait before the next try; None: not said.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "UNKNOWN",
        fields: Tuple[FieldProblem, ...] = (),
        reason: str = "",
        metadata: Optional[Mapping[str, str]] = None,
        retry_after_seconds: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.fields = fields
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        # Most of the server's messages name the first field themselves.
        extra = [
            f"{problem.field}: {problem.description}"
            for problem in self.fields
            if not self.message.startswith(f"{problem.field}: ")
        ]
        return "; ".join([text, *extra])


class TrainingStopped(Exception):
    """More units are dead than the training script allows.

    Attributes:
        dead_share: share of the units that are dead, 0 to 1.
        max_dead: the share that was allowed.
        layer: where; empty: over the whole run.
    """

    def __init__(self, dead_share: float, max_dead: float, layer: str = "") -> None:
        place = layer or "the run"
        super().__init__(
            f"{dead_share:.1%} of the units of {place} are dead; allowed: {max_dead:.1%}"
        )
        self.dead_share = dead_share
        self.max_dead = max_dead
        self.layer = layer
