"""Processes with the real clients are killed at random moments, and start again."""

from __future__ import annotations

import pathlib
import random
import time
from collections.abc import Callable

import oracle
import processes
from clients import CPP, PYTHON, Client
from test_server_kills import start

LANGUAGES = (CPP, PYTHON, CPP)
# Of one run, three processes each: their steps fit into the windows that the oracle reads.
LIVES = 8
# More than a rank gets to in most lives.
STEPS = 100
# In the life that a lone rank dies in.
KILLS_ALONE = 5


def die_at_any_moment(chance: random.Random, client: Client) -> None:
    """Kills it before its first word, or after so many acks, or somewhere between two."""
    acks = chance.choice((0, 0, 1, 5, 20, 50))
    if acks:
        processes.wait_for(f"{acks} acks", lambda: client.durable >= acks, 60.0)
    time.sleep(chance.uniform(0.0, 0.02 if acks else 0.4))
    client.kill()


def test_trainers_that_are_killed_and_start_again(
    tmp_path: pathlib.Path, seed: int, times: int, met: Callable[[int], None]
) -> None:
    """Every life is a new attempt and replays some steps; the server dies as well."""
    for part in range(times):
        folder = tmp_path / f"{part}"
        folder.mkdir()
        live_and_die(folder, random.Random(seed + part))
        met(LIVES * len(LANGUAGES))


def start_server(folder: pathlib.Path, chance: random.Random) -> processes.Server:
    """One that acks often or seldom."""
    interval = chance.choice((10, 50, 200))
    return start(folder, f"--commit-interval-milliseconds={interval}")


def live_and_die(folder: pathlib.Path, chance: random.Random) -> None:
    server = start_server(folder, chance)
    lives: list[list[Client]] = []
    resume = 0
    for life in range(LIVES + 1):
        clients = [
            Client(
                language,
                server,
                source,
                len(LANGUAGES),
                token=f"life-{life}",
                resume=resume,
            ).stream(STEPS)
            for source, language in enumerate(LANGUAGES)
        ]
        lives.append(clients)
        if life == LIVES:
            break
        for client in chance.sample(clients, len(clients)):
            die_at_any_moment(chance, client)
        verify_lives(server, lives)
        if life % 3 == 2:
            server.kill()
            server.start()
            verify_lives(server, lives)
        given = min(client.resume + client.sent for client in clients)
        resume = chance.randint(max(resume, given - 10), max(resume, given))
    for client in lives[-1]:
        client.close()
    for client in lives[-1]:
        client.join()
    verify_lives(server, lives, complete=True)
    assert server.stop() == 0, server.log()


def verify_lives(
    server: processes.Server, lives: list[list[Client]], complete: bool = False
) -> None:
    """What a life has done counts up to where a later one resumes."""
    counted = oracle.Counted(server.endpoint, "run")
    end = oracle.MAX_STEPS + 1
    for clients in reversed(lives):
        first = clients[0].resume
        oracle.verify(counted, clients, complete=complete, before=first, end=end)
        complete = False
        end = min(end, first)


def test_a_rank_that_is_killed_alone(
    tmp_path: pathlib.Path, seed: int, times: int, met: Callable[[int], None]
) -> None:
    """It comes back into the attempt that goes on: what it repeats counts once."""
    for part in range(times):
        for language in (CPP, PYTHON):
            folder = tmp_path / f"{part}-{language}"
            folder.mkdir()
            die_alone(folder, language, random.Random(seed + part))
            met(KILLS_ALONE)


def die_alone(folder: pathlib.Path, language: str, chance: random.Random) -> None:
    server = start_server(folder, chance)
    other = Client(CPP, server, 0, 2).stream(STEPS)
    for _ in range(KILLS_ALONE):
        mortal = Client(language, server, 1, 2).stream(STEPS)
        die_at_any_moment(chance, mortal)
        counted = oracle.Counted(server.endpoint, "run")
        assert not mortal.broken_promise
        assert [counted.times(1, step) for step in range(mortal.durable)] == [1] * mortal.durable
    survivors = [other, Client(language, server, 1, 2).stream(STEPS)]
    for client in survivors:
        client.close()
    for client in survivors:
        client.join()
    assert [client.sent for client in survivors] == [STEPS, STEPS]
    oracle.verify(oracle.Counted(server.endpoint, "run"), survivors, complete=True)
    assert server.stop() == 0, server.log()
