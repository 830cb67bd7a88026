"""What the sender's thread waits for before it sends what is enqueued."""

from __future__ import annotations

from typing import Any, Iterator

import processes
import pytest
from firekeeper import _worker
from firekeeper._options import LEAST_RING_BYTES
from firekeeper._sender import Sender
from firekeeper._vocabulary import Phase, Signal
from scripted import Requests, ScriptedServer, ack, last_of, opened, well_behaved
from sending import DEADLINE, Pending, send, sender_to, wait_until_acked


class Large(Pending):
    """Takes as much as a message holds."""

    approximate_bytes = _worker.LINGER_BYTES


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time alone ends no wait of these tests."""
    monkeypatch.setattr(_worker, "LINGER_SECONDS", 600.0)


def connected(server: ScriptedServer) -> Sender:
    """A sender that has sent one snapshot and has nothing left to do."""
    sender = sender_to(server.endpoint)
    send(sender, 0)
    wait_until_acked(sender, 1)
    return sender


def test_snapshots_of_many_steps_travel_in_one_message() -> None:
    with ScriptedServer(well_behaved).running() as server:
        sender = connected(server)

        for step in range(1, 6):
            send(sender, step)
            sender.step_done(step)

        assert sender.close(DEADLINE)
        batches = [request.batch for request in server.log if request.HasField("batch")]
        # The first may be taken before the thread collects again.
        assert sum(len(batch.snapshots) for batch in batches) == 6
        assert len(batches) <= 3


def test_what_fills_a_message_is_not_waited_with() -> None:
    with ScriptedServer(well_behaved).running() as server:
        sender = connected(server)

        send(sender, 1)
        sender.enqueue("fc", Signal.ACTIVATION, Phase.TRAIN, 2, 0, Large())

        wait_until_acked(sender, 3)
        assert sender.close(DEADLINE)


def test_of_a_small_ring_nothing_is_lost_for_want_of_a_bell() -> None:
    with ScriptedServer(well_behaved).running() as server:
        sender = sender_to(server.endpoint, ring_bytes=LEAST_RING_BYTES)

        for count in range(40, 400, 40):
            for step in range(count - 40, count):
                send(sender, step)
            wait_until_acked(sender, count - 30)

        assert sender.close(DEADLINE)
        assert sender.counters().dropped == 0


def without_credit(server: ScriptedServer, requests: Requests, context: Any) -> Iterator[Any]:
    """Takes nothing until ``go`` is set, then everything."""
    del context
    next(requests)
    yield opened(credit_bytes=1)
    server.go.wait(DEADLINE)
    yield ack(0)
    for request in requests:
        if request.HasField("close"):
            return
        if last_of(request):
            yield ack(last_of(request))


def test_credit_for_what_waits_ends_the_collecting() -> None:
    with ScriptedServer(without_credit).running() as server:
        sender = sender_to(server.endpoint)
        send(sender, 0)
        processes.wait_for("the stream", lambda: len(server.log) > 0)
        send(sender, 1)
        processes.wait_for("the collecting", lambda: sender._worker._lingers)

        server.go.set()

        wait_until_acked(sender, 2)
        assert sender.close(DEADLINE)
