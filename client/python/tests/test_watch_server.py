"""``firekeeper.watch()`` with a real server, and without one."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from typing import Any, List, Tuple

import firekeeper
import processes
import pytest
import torch
from torch import nn


def network() -> nn.Sequential:
    """The same at every call. Unit 7 never fires."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
    )
    with torch.no_grad():
        model[0].bias[7] = -1e3
    return model


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> List[float]:
    """The losses."""
    generator = torch.Generator().manual_seed(2)
    losses = []
    for _ in range(steps):
        loss = model(torch.randn(64, 6, generator=generator)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


def adam(model: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=1e-2)


def test_one_line_tells_which_neurons_are_dead(server: processes.Server) -> None:
    model = network()
    optimizer = adam(model)
    watcher = firekeeper.watch(
        model, optimizer=optimizer, run="run", endpoint=server.endpoint, every=1
    )
    train(model, optimizer, 400)

    assert watcher.close(30.0)

    counters = watcher.counters()
    assert counters is not None and counters.dropped == counters.rejected == 0
    assert counters.enqueued == counters.acked > 0
    assert watcher.problems == {}
    with firekeeper.Client(server.endpoint) as client:
        assert [each["layer"]["name"] for each in client.layers("run")] == ["1", "3", "4"]
        assert client.dead_units("run", "1") == [7]
        assert client.run("run")["last_step"] == 399


def test_watching_twice_gives_the_same_watcher(server: processes.Server) -> None:
    model = network()
    optimizer = adam(model)
    options: Any = {"optimizer": optimizer, "run": "run", "endpoint": server.endpoint}

    with firekeeper.watch(model, **options) as first:
        assert firekeeper.watch(model, **options) is first
    assert firekeeper.watch(model, **options) is not first


def outcome(model: nn.Module, losses: List[float]) -> Tuple[List[float], List[torch.Tensor]]:
    return losses, [each.detach().clone() for each in model.parameters()]


def assert_same(left: Any, right: Any) -> None:
    assert left[0] == right[0]
    assert all(torch.equal(a, b) for a, b in zip(left[1], right[1]))


def watched(endpoint: str, steps: int, interrupt: Any = None) -> Any:
    """Trains with every step observed; ``interrupt`` is called in the middle."""
    model = network()
    optimizer = adam(model)
    watcher = firekeeper.watch(model, optimizer=optimizer, run="run", endpoint=endpoint, every=1)
    generator = torch.Generator().manual_seed(2)
    losses = []
    for step in range(steps):
        if step == steps // 2 and interrupt is not None:
            interrupt()
        loss = model(torch.randn(64, 6, generator=generator)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    watcher.close(1.0)
    return outcome(model, losses)


@pytest.fixture
def unwatched() -> Any:
    model = network()
    return outcome(model, train(model, adam(model), 60))


def test_training_is_the_same_with_a_server(server: processes.Server, unwatched: Any) -> None:
    assert_same(watched(server.endpoint, 60), unwatched)


def test_training_is_the_same_without_a_server(unwatched: Any) -> None:
    assert_same(watched("127.0.0.1:9", 60), unwatched)


def test_training_is_the_same_when_the_server_is_killed(
    server: processes.Server, unwatched: Any
) -> None:
    assert_same(watched(server.endpoint, 60, server.process.kill), unwatched)


def test_training_is_the_same_when_the_server_stops_answering(
    server: processes.Server, unwatched: Any
) -> None:
    stop = lambda: server.process.send_signal(signal.SIGSTOP)  # noqa: E731
    try:
        assert_same(watched(server.endpoint, 60, stop), unwatched)
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_a_disabled_watcher_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREKEEPER_DISABLED", "true")
    model = network()
    optimizer = adam(model)

    watcher = firekeeper.watch(model, optimizer=optimizer, run="run")

    train(model, optimizer, 2)
    assert all(not each._forward_hooks for each in model.modules())
    assert watcher.close()


def test_a_wrong_argument_is_named() -> None:
    model = network()

    with pytest.raises(ValueError, match="every"):
        firekeeper.watch(model, optimizer=adam(model), run="run", every=3)
    with pytest.raises(ValueError, match="data_shard"):
        firekeeper.watch(model, optimizer=adam(model), run="run", data_shard=2, data_shards=2)
    with pytest.raises(ValueError, match="run"):
        firekeeper.watch(model, optimizer=adam(model), run="not a name")


def test_the_first_code_block_of_the_readme_runs(server: processes.Server) -> None:
    readme = pathlib.Path(__file__).resolve().parents[3] / "README.md"
    block = readme.read_text(encoding="utf-8").split("```python\n", 1)[1].split("```", 1)[0]
    model = network()
    optimizer = adam(model)
    names = {"model": model, "optimizer": optimizer}

    os.environ["FIREKEEPER_ENDPOINT"] = server.endpoint
    try:
        exec(block, names)
    finally:
        del os.environ["FIREKEEPER_ENDPOINT"]
    train(model, optimizer, 3)

    assert names["watcher"].close(30.0)


def test_workers_of_a_data_loader_neither_stream_nor_hang(server: processes.Server) -> None:
    script = f"""
import torch, firekeeper
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = torch.utils.data.TensorDataset(torch.randn(64, 4))
watcher = firekeeper.watch(
    model, optimizer=optimizer, run="run", endpoint="{server.endpoint}", every=1
)
for epoch in range(2):
    for (x,) in torch.utils.data.DataLoader(data, batch_size=8, num_workers=2):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
assert watcher.close(30.0)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    with firekeeper.Client(server.endpoint) as client:
        assert client.run("run")["last_step"] == 15


def test_a_script_that_never_closes_ends_and_is_seen(server: processes.Server) -> None:
    script = f"""
import torch, firekeeper
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
firekeeper.watch(model, optimizer=optimizer, run="run", endpoint="{server.endpoint}")
for step in range(8):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).sum().backward()
    optimizer.step()
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    with firekeeper.Client(server.endpoint) as client:
        assert client.run("run")["last_step"] == 7


def test_too_many_dead_units_stop_the_training(server: processes.Server) -> None:
    model = network()
    with torch.no_grad():
        model[0].bias[:] = -1e3
    optimizer = adam(model)
    watcher = firekeeper.watch(
        model, optimizer=optimizer, run="run", endpoint=server.endpoint, every=1
    )
    watcher.stop_if(max_dead=0.3, every_seconds=0.05)

    with pytest.raises(firekeeper.TrainingStopped) as stopped:
        for _ in range(200):
            train(model, optimizer, 50)
    watcher.close()

    assert stopped.value.dead_share > 0.3


def test_events_reach_the_training_thread(server: processes.Server) -> None:
    model = network()
    with torch.no_grad():
        model[0].bias[:] = -1e3
    optimizer = adam(model)
    watcher = firekeeper.watch(
        model, optimizer=optimizer, run="run", endpoint=server.endpoint, every=1
    )
    events: List[Any] = []
    watcher.on_event(events.append, on_training_thread=True)

    for _ in range(200):
        train(model, optimizer, 50)
        if events:
            break
    watcher.close()

    assert any(each["layer"] == "1" for each in events)
