"""A server that dies at a named place of its code loses nothing either."""

from __future__ import annotations

import os
import pathlib
import random
import re
import signal
from collections.abc import Callable

import oracle
import processes
import pytest
from test_server_kills import start

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = 3


def names_in_the_code() -> list[str]:
    """Every place, from the code itself, so that none is forgotten."""
    found = set()
    for path in (ROOT / "server").rglob("*.cc"):
        found.update(re.findall(r'Failpoint\("([^"]+)"\)', path.read_text()))
    return sorted(found)


# Passed once or a few times in a life of the server; the others at every message.
FEW_PASSES = {"open": SOURCES, "close": SOURCES, "recover": 1, "shutdown": 1, "commit": 5, "ack": 5}


def test_there_are_enough_places() -> None:
    assert len(names_in_the_code()) >= 25


@pytest.mark.parametrize("name", names_in_the_code())
def test_death_at(
    name: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    times: int,
    met: Callable[[int], None],
) -> None:
    for part in range(2 * times):
        folder = tmp_path / f"{part}"
        folder.mkdir()
        chance = random.Random(f"{seed} {part} {name}")
        most = FEW_PASSES.get(name.split(".")[0], 40)
        monkeypatch.setenv("FIREKEEPER_FAILPOINT", f"{name}:{chance.randint(1, most)}")
        die_and_come_back(name, folder, seed + part)
        met(1)


def die_and_come_back(name: str, folder: pathlib.Path, seed: int) -> None:
    place = os.environ["FIREKEEPER_FAILPOINT"]
    if name.startswith("recover."):
        del os.environ["FIREKEEPER_FAILPOINT"]
    server = start(folder)
    endpoint = [server.endpoint]
    sources = [
        oracle.Source("run", source, SOURCES, lambda: endpoint[0], seed).start()
        for source in range(SOURCES)
    ]
    if name.startswith(("recover.", "shutdown.")):
        processes.wait_for("an ack", lambda: max(source.durable for source in sources) > 20)
    if name.startswith("close."):
        processes.wait_for("an ack", lambda: max(source.durable for source in sources) > 0)
        for source in sources:
            source.finish()
    assert server.process is not None
    if name.startswith("recover."):
        server.kill()
        os.environ["FIREKEEPER_FAILPOINT"] = place
        with pytest.raises(AssertionError, match="ended with -9"):
            server.start()
    elif name.startswith("shutdown."):
        server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == -signal.SIGKILL
    os.environ.pop("FIREKEEPER_FAILPOINT", None)

    server.start()
    endpoint[0] = server.endpoint
    oracle.finish_and_verify(server.endpoint, sources)
    assert server.stop() == 0, server.log()
