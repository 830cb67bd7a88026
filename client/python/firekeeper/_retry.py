"""How a stream may end, and whether and when it is worth another try."""

from __future__ import annotations

import enum
from typing import Callable, NamedTuple


class Code(enum.IntEnum):
    """google.rpc.Code, equal to gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class StreamEnd(NamedTuple):
    """How a stream ended.

    Attributes:
        code: OK only where the server took leave.
        message: why, for people.
        retry_after_seconds: what the server asked for; 0: nothing.
    """

    code: Code
    message: str = ""
    retry_after_seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class AfterEnd(enum.Enum):
    """What to do once a stream has ended with an error."""

    # The network or the server will come back.
    RETRY = enum.auto()
    # Something is wrong with what was sent or with the server: it may be mended by opening
    # anew, but not for ever.
    RETRY_FEW_TIMES = enum.auto()
    # Someone else has taken over.
    FENCED = enum.auto()
    # Trying again cannot help: the options or the access have to be mended first.
    GIVE_UP = enum.auto()


_VERDICTS = {
    Code.UNAVAILABLE: AfterEnd.RETRY,
    Code.DEADLINE_EXCEEDED: AfterEnd.RETRY,
    # A proxy between us that shuts down resets the stream.
    Code.CANCELLED: AfterEnd.RETRY,
    Code.ABORTED: AfterEnd.FENCED,
    Code.INVALID_ARGUMENT: AfterEnd.GIVE_UP,
    Code.UNAUTHENTICATED: AfterEnd.GIVE_UP,
    Code.PERMISSION_DENIED: AfterEnd.GIVE_UP,
    # The run was deleted, or the server speaks another protocol.
    Code.NOT_FOUND: AfterEnd.GIVE_UP,
    Code.UNIMPLEMENTED: AfterEnd.GIVE_UP,
    # A limit; one that will pass comes as UNAVAILABLE.
    Code.RESOURCE_EXHAUSTED: AfterEnd.GIVE_UP,
}


def classify(code: Code) -> AfterEnd:
    """What to do after a stream that ended with ``code``."""
    return _VERDICTS.get(code, AfterEnd.RETRY_FEW_TIMES)


class Backoff:
    """Exponential with full jitter, so that a thousand trainers do not come back in step.

    Args:
        shortest_seconds: first ceiling; above 0.
        longest_seconds: greatest ceiling.
        random: uniform in [0, 1).
    """

    def __init__(
        self, shortest_seconds: float, longest_seconds: float, random: Callable[[], float]
    ) -> None:
        self._shortest = shortest_seconds
        self._longest = longest_seconds
        self._random = random
        self._ceiling = shortest_seconds

    def next(self) -> float:
        """Seconds, uniform in [0, ceiling); the ceiling doubles from call to call."""
        ceiling = self._ceiling
        self._ceiling = min(self._longest, 2 * ceiling)
        return self._random() * ceiling

    def reset(self) -> None:
        """The next wait is among the shortest again."""
        self._ceiling = self._shortest
