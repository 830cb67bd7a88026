"""A server that dies loses nothing that it acked, and counts nothing twice."""

from __future__ import annotations

import pathlib
import random
import time
from collections.abc import Callable

import oracle
import processes

KILLS = 100
# Of one run: its steps fit into the windows that the oracle reads.
KILLS_OF_A_RUN = 25


def start(folder: pathlib.Path, *flags: str) -> processes.Server:
    return processes.Server(folder, f"--data-dir={folder / 'data'}", *oracle.FLAGS, *flags).start()


def test_kill_9_under_eight_sources(
    tmp_path: pathlib.Path, seed: int, times: int, met: Callable[[int], None]
) -> None:
    for part in range(KILLS * times // KILLS_OF_A_RUN):
        folder = tmp_path / f"{part}"
        folder.mkdir()
        kill_again_and_again(folder, seed + part)
        met(KILLS_OF_A_RUN)


def kill_again_and_again(folder: pathlib.Path, seed: int) -> None:
    """Kills a server at random moments; between them nobody waits for anybody."""
    chance = random.Random(seed)
    server = start(folder)
    endpoint = [server.endpoint]
    sources = [
        oracle.Source("run", source, 8, lambda: endpoint[0], seed).start() for source in range(8)
    ]
    for _ in range(KILLS_OF_A_RUN):
        time.sleep(chance.uniform(0.005, 0.5))
        server.kill()
        server.start()
        endpoint[0] = server.endpoint
    oracle.finish_and_verify(server.endpoint, sources)
    assert min(source.durable for source in sources) > 0
    assert sum(source.reconnects for source in sources) > 0
    assert server.stop() == 0, server.log()


def test_what_was_acked_is_there_though_nobody_comes_back(
    tmp_path: pathlib.Path, seed: int, times: int, met: Callable[[int], None]
) -> None:
    for part in range(10 * times):
        folder = tmp_path / f"{part}"
        folder.mkdir()
        chance = random.Random(seed + part)
        server = start(folder)
        first = server.endpoint
        sources = [oracle.Source("run", s, 8, lambda: first, seed + part).start() for s in range(8)]
        processes.wait_for("an ack", lambda: max(source.durable for source in sources) > 0)
        time.sleep(chance.uniform(0.0, 0.3))
        server.kill()
        for source in sources:
            source.abandon()
        server.start()
        oracle.verify(oracle.Counted(server.endpoint, "run"), sources, complete=False)
        met(1)
        server.kill()
