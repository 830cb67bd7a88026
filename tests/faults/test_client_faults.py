"""Sources that die, come twice or start again are counted once all the same."""

from __future__ import annotations

import pathlib
import random
import time

import oracle
import processes
from test_server_kills import start

SOURCES = 4


def test_sources_that_are_cut_off(tmp_path: pathlib.Path, seed: int, times: int) -> None:
    chance = random.Random(seed)
    server = start(tmp_path)
    sources = [
        oracle.Source("run", source, SOURCES, lambda: server.endpoint, seed).start()
        for source in range(SOURCES)
    ]
    for _ in range(20 * times):
        time.sleep(chance.uniform(0.0, 0.1))
        chance.choice(sources).cut()
    oracle.finish_and_verify(server.endpoint, sources)
    assert sum(source.reconnects for source in sources) > 0
    assert server.stop() == 0, server.log()


def test_a_rank_that_runs_twice(tmp_path: pathlib.Path, seed: int) -> None:
    """Two processes claim one source: the last to open has it, what it repeats counts once."""
    server = start(tmp_path)
    first = oracle.Source("run", 0, 2, lambda: server.endpoint, seed).start()
    other = oracle.Source("run", 1, 2, lambda: server.endpoint, seed).start()
    processes.wait_for("an ack", lambda: first.durable > 0)
    twin = oracle.Source("run", 0, 2, lambda: server.endpoint, seed + 1).start()

    processes.wait_for("a fence", lambda: first.fenced)
    processes.wait_for("an ack", lambda: twin.durable > first.sent)
    oracle.finish_and_verify(server.endpoint, [twin, other])
    assert server.stop() == 0, server.log()


def test_a_trainer_that_starts_again(tmp_path: pathlib.Path, seed: int, times: int) -> None:
    """Every life replays some steps; the server dies in between as well."""
    chance = random.Random(seed)
    server = start(tmp_path)
    resume = 0
    for life in range(1, 5 * times + 1):
        endpoint = server.endpoint
        sources = [
            oracle.Source(
                "run", source, SOURCES, lambda: endpoint, seed + life, life=life, resume=resume
            ).start()
            for source in range(SOURCES)
        ]
        processes.wait_for("an ack", lambda: min(source.durable for source in sources) > 5)
        # Windows that the new life reaches anew were withdrawn.
        oracle.finish_and_verify(server.endpoint, sources, before=resume)
        if life % 2 == 0:
            server.kill()
            server.start()
        steps = min(source.resume + source.sent for source in sources)
        resume = chance.randint(max(0, steps - 5), steps)
    assert server.stop() == 0, server.log()
