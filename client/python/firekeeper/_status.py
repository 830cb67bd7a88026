"""What a sender tells of itself."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple


class ConnectionState(enum.Enum):
    """Where the sender stands with the server."""

    CONNECTING = "connecting"
    STREAMING = "streaming"
    # Waiting before the next try.
    BACKING_OFF = "backing off"
    # A newer attempt or process has taken over. Final.
    FENCED = "fenced"
    # The server refused in a way that trying again cannot mend. Final.
    FAILED = "failed"
    # close() was called. Final.
    CLOSED = "closed"
    # Nothing is ever sent: switched off, or this process is a fork of the one that sends.
    DISABLED = "disabled"


FINAL_STATES = frozenset(
    {
        ConnectionState.FENCED,
        ConnectionState.FAILED,
        ConnectionState.CLOSED,
        ConnectionState.DISABLED,
    }
)


class ConnectionStatus(NamedTuple):
    """One moment of the connection.

    Attributes:
        state: where the sender stands.
        last_error: why the last stream ended, for people; empty: none has.
    """

    state: ConnectionState
    last_error: str


@dataclasses.dataclass(frozen=True)
class Counters:
    """What became of the snapshots so far, at one moment.

    Always ``enqueued == acked + rejected + dropped + buffered``.

    Attributes:
        enqueued: snapshots handed over.
        acked: the server has them, as durably as it promises.
        rejected: the server refused them one by one.
        dropped: given up: the ring was full, they were larger than the server allows, their
            reduction failed, or the sender had ended. What was sent but dropped before its
            ack counts here although the server may have it.
        buffered: waiting to be sent or acked.
        buffered_bytes: memory that those take.
        invalid: observations refused before they were enqueued. Warned of once.
        scalars_dropped: scalars that were displaced before they could be sent, or were
            badly named.
        reconnects: streams opened after the first.
        errors: exceptions within this package that were caught. Warned of once.
    """

    enqueued: int = 0
    acked: int = 0
    rejected: int = 0
    dropped: int = 0
    buffered: int = 0
    buffered_bytes: int = 0
    invalid: int = 0
    scalars_dropped: int = 0
    reconnects: int = 0
    errors: int = 0
