"""The counters of the real clients add up while servers die, and agree with the server's."""

from __future__ import annotations

import pathlib
import random
import time
from collections.abc import Callable
from typing import Any

import grpc
import oracle
import processes
import pytest
import wire
from clients import CPP, PYTHON, Client
from firekeeper.v1 import diagnostics_pb2, resources_pb2
from test_server_kills import start

EXIT_CANNOT_BIND = 3
KILLS = 12
# A flood is more than a ring holds: the rest of it is dropped.
RING_BYTES = 64 << 10
FLOOD = 120
# Of one run: its steps fit into the windows that the oracle reads.
FLOODS = 8


def run_of(server: processes.Server) -> Any:
    with grpc.insecure_channel(server.endpoint) as channel:
        request = diagnostics_pb2.GetRunRequest(run_id="run")
        return wire.diagnostics(channel).GetRun(request, timeout=30).run


def come_back(server: processes.Server) -> None:
    """Where the client knows it.

    A port of one's own cannot be kept while nobody listens: a client's try to connect may
    have got it for a moment.
    """

    def is_up() -> bool:
        try:
            server.start(port=server.port)
        except AssertionError:
            assert server.process is not None
            if server.process.returncode != EXIT_CANNOT_BIND:
                raise
            return False
        return True

    processes.wait_for("the port", is_up)


@pytest.mark.parametrize("language", [CPP, PYTHON])
def test_servers_that_die_at_any_moment(
    language: str, tmp_path: pathlib.Path, seed: int, times: int, met: Callable[[int], None]
) -> None:
    for part in range(times):
        folder = tmp_path / f"{part}"
        folder.mkdir()
        chance = random.Random(seed + part)
        server = start(folder, "--commit-interval-milliseconds=20")
        client = Client(language, server, ring_bytes=RING_BYTES)
        given = 0
        for kill in range(KILLS):
            if kill % 3 == 0:
                given += FLOOD
                client.flood(given)
            else:
                given += 40
                client.stream(given)
            time.sleep(chance.uniform(0.0, 0.2))
            server.kill()
            time.sleep(chance.uniform(0.0, 0.2))
            come_back(server)
        client.close()
        client.join()
        check_the_end(server, client, given)
        met(KILLS)
        assert server.stop() == 0, server.log()


def check_the_end(server: processes.Server, client: Client, given: int) -> None:
    """What was given up before its ack may have arrived all the same."""
    assert not client.broken_promise
    said, run = client.counters, run_of(server)
    ours = run.counters
    assert run.state == resources_pb2.RUN_STATE_ENDED
    assert said.reconnects > 0 and said.dropped > 0
    assert (said.enqueued, said.rejected, said.buffered) == (given, 0, 0)
    assert (ours.snapshots_rejected, ours.snapshots_conflicting) == (0, 0)
    arrived = ours.snapshots_accepted + ours.snapshots_duplicate
    assert arrived + ours.snapshots_gap == given
    assert said.acked <= arrived and ours.snapshots_gap <= said.dropped
    counted = oracle.Counted(server.endpoint, "run")
    times = [counted.times(0, step) for step in range(given)]
    assert max(times) <= 1 and arrived <= sum(times)
    assert sum(counted.observations.values()) == sum(times)


@pytest.mark.parametrize("language", [CPP, PYTHON])
def test_floods_while_the_server_is_away(
    language: str, tmp_path: pathlib.Path, seed: int, times: int, met: Callable[[int], None]
) -> None:
    """Nothing is in flight when it dies: the figures of both sides are the same."""
    for part in range(times):
        folder = tmp_path / f"{part}"
        folder.mkdir()
        chance = random.Random(seed + part)
        server = start(folder, "--commit-interval-milliseconds=20")
        client = Client(language, server, ring_bytes=RING_BYTES)
        given = 0
        for _ in range(FLOODS):
            server.kill()
            given += chance.randint(FLOOD // 2, FLOOD)
            client.flood(given)
            processes.wait_for("the flood", lambda: client.counters.enqueued == given)
            come_back(server)
            processes.wait_for("all acks", lambda: client.counters.buffered == 0)
            agree(server, client)
        client.close()
        client.join()
        assert client.counters.enqueued == given and client.counters.dropped > 0
        agree(server, client)
        met(FLOODS)
        assert server.stop() == 0, server.log()


def agree(server: processes.Server, client: Client) -> None:
    assert not client.broken_promise
    said, ours = client.counters, run_of(server).counters
    assert ours.snapshots_accepted == said.acked, (said, ours)
    assert ours.snapshots_gap == said.dropped, (said, ours)
    assert ours.snapshots_duplicate + ours.snapshots_rejected == 0, ours
    counted = oracle.Counted(server.endpoint, "run")
    assert len(counted.observations) == said.acked
    assert set(counted.observations.values()) == {1}
