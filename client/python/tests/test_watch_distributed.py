"""Data parallelism: several processes see what one would."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
from typing import Any, Dict, List

import firekeeper
import processes
import pytest

TRAINER = pathlib.Path(__file__).with_name("ddp_trainer.py")


def free_port() -> int:
    """A port for the rendezvous of the processes, which takes none from the system."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def train(server: processes.Server, run: str, mode: str, world: int) -> None:
    """Trains with ``world`` processes to the end."""
    port = free_port()
    started: List["subprocess.Popen[str]"] = []
    for rank in range(world):
        environment = {
            **os.environ,
            "RANK": str(rank),
            "WORLD_SIZE": str(world),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, str(TRAINER), server.endpoint, run, mode]
        started.append(
            subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        )
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


def units(server: processes.Server, run: str, layer: str) -> Dict[str, List[Any]]:
    """The verdicts of a layer's units, as lists."""
    with firekeeper.Client(server.endpoint) as client:
        columns = client.units(run, layer)
    return {name: [each for each in values] for name, values in columns.items()}


EXACT = ("unit", "state", "last_firing_step", "observations", "clusters", "firings")


@pytest.mark.parametrize("world", [2, 4])
def test_frozen_weights_give_the_integers_of_one_process(
    server: processes.Server, world: int
) -> None:
    train(server, "one", "frozen", 1)
    train(server, "many", "frozen", world)

    alone, together = units(server, "one", "1"), units(server, "many", "1")
    compared = [name for name in EXACT if name in alone]
    assert {"unit", "state", "last_firing_step"} <= set(compared)
    for name in compared:
        assert alone[name] == together[name], name
    histories = []
    with firekeeper.Client(server.endpoint) as client:
        for run in ("one", "many"):
            windows = client.history(run, "1", "activation")
            histories.append(
                [(each["units_never_fired"], each["firing_ratio"]) for each in windows]
            )
    assert histories[0] == histories[1]


def test_units_spread_over_processes_are_one_layer(server: processes.Server) -> None:
    train(server, "one", "sharded", 1)
    train(server, "many", "sharded", 2)

    alone, together = units(server, "one", "relu"), units(server, "many", "relu")
    assert len(together["unit"]) == 8
    for name in [name for name in EXACT if name in alone]:
        assert alone[name] == together[name], name
    assert "dead" not in alone["state"][:7] and alone["state"][7] == "silent"
    with firekeeper.Client(server.endpoint) as client:
        for layer in client.layers("many"):
            assert layer["coverage"] == {"shards_received": 1, "shards_expected": 1}


@pytest.mark.parametrize("world", [2, 4])
def test_training_gives_the_states_of_one_process(server: processes.Server, world: int) -> None:
    train(server, "one", "trained", 1)
    train(server, "many", "trained", world)

    assert units(server, "one", "1")["state"] == units(server, "many", "1")["state"]


def test_a_unit_that_lives_on_one_rank_is_not_dead(server: processes.Server) -> None:
    train(server, "run", "one_alive", 2)

    assert units(server, "run", "1")["state"][0] == "alive"
