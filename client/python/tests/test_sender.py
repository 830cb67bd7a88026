"""The sender against a real server."""

from __future__ import annotations

import pathlib
import signal
import threading
import time
from typing import Iterator, List

import processes
import pytest
from firekeeper._ring import RawTensor
from firekeeper._sender import Counters, Sender
from firekeeper._status import ConnectionState
from firekeeper._vocabulary import Phase, Signal
from sending import Pending, check_invariant, run_counters, scalars, send, sender_to, units
from sending import wait_until_acked

# Steps whose windows are all within the horizon of a verdict.
SNAPSHOTS = 100


@pytest.fixture
def address(tmp_path: pathlib.Path) -> Iterator[processes.Server]:
    """A server that does not run, but whose port is known."""
    server = processes.Server(tmp_path).start()
    assert server.stop() == 0
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop()


def test_everything_that_was_enqueued_arrives_once(server: processes.Server) -> None:
    sender = sender_to(server.endpoint)

    for step in range(SNAPSHOTS):
        send(sender, step)
        sender.step_done(step)

    assert sender.close(20.0)
    assert sender.counters() == Counters(enqueued=SNAPSHOTS, acked=SNAPSHOTS)
    counted = run_counters(server.endpoint)
    assert (counted.snapshots_accepted, counted.snapshots_duplicate) == (SNAPSHOTS, 0)
    assert [unit.firings for unit in units(server.endpoint)] == [3 * SNAPSHOTS] * 4


def test_scalars_arrive(server: processes.Server) -> None:
    sender = sender_to(server.endpoint)

    sender.scalar("loss", 0, 2.5)
    sender.scalar("loss", 1, 1.5)
    sender.scalar("not a name", 1, 1.5)

    assert sender.close(20.0)
    assert scalars(server.endpoint) == {"loss": 1.5}
    assert sender.counters().scalars_dropped == 1


@pytest.mark.parametrize("rows", [8, 100_000], ids=["whole", "in chunks"])
def test_tensors_are_reduced_by_the_server(server: processes.Server, rows: int) -> None:
    sender = sender_to(server.endpoint)
    data = (b"\0\0\0\0" b"\0\0\x80\x3f" b"\0\0\0\0" b"\0\0\x80\x3f") * rows
    tensor = RawTensor(2, (rows, 4), 1, 0, data)

    sender.enqueue_tensor("fc", Signal.ACTIVATION, Phase.TRAIN, 0, 0, tensor)

    assert sender.close(20.0)
    assert [unit.firings for unit in units(server.endpoint)] == [0, rows, 0, rows]


def test_a_server_that_comes_late_gets_everything(address: processes.Server) -> None:
    sender = sender_to(address.endpoint)
    send(sender, 0)
    processes.wait_for("a failed try", lambda: sender.connection().last_error)

    address.start(port=address.port)
    send(sender, 1)

    assert sender.close(20.0)
    assert run_counters(address.endpoint).snapshots_accepted == 2


def test_after_a_crash_of_the_server_the_rest_arrives_once(address: processes.Server) -> None:
    address.start(port=address.port)
    sender = sender_to(address.endpoint)
    for step in range(10):
        send(sender, step)
    wait_until_acked(sender, 10)
    address.kill()
    for step in range(10, 20):
        send(sender, step)

    address.start(port=address.port)

    assert sender.close(20.0)
    counters = sender.counters()
    assert (counters.acked, counters.dropped, counters.reconnects) == (20, 0, 1)
    counted = run_counters(address.endpoint)
    assert (counted.snapshots_accepted, counted.snapshots_duplicate) == (10, 0)
    assert counted.snapshots_gap == 10, "what the server once had and forgot"


def test_the_invariant_holds_at_every_moment(address: processes.Server) -> None:
    address.start(port=address.port)
    sender = sender_to(address.endpoint, ring_bytes=1 << 16)
    seen: List[Counters] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(sender.counters())

    looker = threading.Thread(target=look)
    looker.start()
    for step in range(400):
        if step == 200:
            address.kill()
        send(sender, step)
    address.start(port=address.port)
    sender.close(20.0)
    over.set()
    looker.join()

    for counters in [*seen, sender.counters()]:
        check_invariant(counters)
        assert counters.buffered_bytes <= 4 << 16


def test_a_stopped_server_costs_bounded_memory_and_no_time(server: processes.Server) -> None:
    ring_bytes, size, count = 1 << 20, 1 << 16, 400
    sender = sender_to(server.endpoint, ring_bytes=ring_bytes)
    data = bytes(size)
    send(sender, 0)
    wait_until_acked(sender, 1)
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    slowest, most = 0.0, 0

    try:
        for step in range(1, count):
            tensor = RawTensor(2, (size // 16, 4), 1, 0, data)
            began = time.perf_counter()
            sender.enqueue_tensor("fc", Signal.ACTIVATION, Phase.TRAIN, step, 0, tensor)
            slowest = max(slowest, time.perf_counter() - began)
            most = max(most, sender.counters().buffered_bytes)
    finally:
        server.process.send_signal(signal.SIGCONT)

    assert slowest < 0.5, "a loaded machine may take a slice, the network may not"
    assert most <= 3 * ring_bytes
    sender.close(20.0)
    counters, counted = sender.counters(), run_counters(server.endpoint)
    assert counters.dropped > 0
    assert counted.snapshots_accepted + counted.snapshots_gap == count == counters.enqueued
    assert counted.snapshots_gap > 0


def test_a_newer_launch_fences_the_older_loudly_once(
    server: processes.Server, caplog: pytest.LogCaptureFixture
) -> None:
    old = sender_to(server.endpoint, launch_token="life-1")
    send(old, 0)
    wait_until_acked(old, 1)
    new = sender_to(server.endpoint, launch_token="life-2")
    send(new, 0)
    wait_until_acked(new, 1)

    fenced = processes.wait_for(
        "the fence", lambda: old.connection().state is ConnectionState.FENCED
    )
    send(old, 1)

    assert fenced
    assert not old.close(5.0)
    assert old.counters() == Counters(enqueued=2, acked=1, dropped=1)
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert new.close(20.0)


class Impossible(Pending):
    """More firings than observations."""

    def resolve(self):  # type: ignore[no-untyped-def]
        summary = super().resolve()
        columns = {**summary.columns, 2: summary.columns[2]._replace(data=b"\x09")}
        return summary._replace(columns=columns)


def test_what_the_server_refuses_is_counted_and_the_rest_goes_on(
    server: processes.Server, caplog: pytest.LogCaptureFixture
) -> None:
    sender = sender_to(server.endpoint)
    sender.enqueue("fc", Signal.ACTIVATION, Phase.TRAIN, 0, 0, Impossible())
    send(sender, 1)

    assert sender.close(20.0)

    assert sender.counters() == Counters(enqueued=2, acked=1, rejected=1)
    assert "the server refused snapshot 1" in caplog.text


class Broken(Pending):
    """Its device is gone."""

    def resolve(self):  # type: ignore[no-untyped-def]
        raise RuntimeError("device lost")


def test_a_reduction_that_fails_is_declared_as_lost(
    server: processes.Server, caplog: pytest.LogCaptureFixture
) -> None:
    sender = sender_to(server.endpoint)
    for step in (0, 1):
        sender.enqueue("fc", Signal.ACTIVATION, Phase.TRAIN, step, 0, Broken())
    send(sender, 2)

    assert not sender.close(20.0), "not everything arrived"

    assert sender.counters() == Counters(enqueued=3, acked=1, dropped=2, errors=2)
    counted = run_counters(server.endpoint)
    assert (counted.snapshots_accepted, counted.snapshots_gap) == (1, 2)
    assert caplog.text.count("device lost") == 1


def test_a_sender_that_is_let_go_of_still_sends(server: processes.Server) -> None:
    sender = sender_to(server.endpoint)
    send(sender, 0)

    del sender

    def arrived() -> bool:
        metrics = server.metrics()
        return "firekeeper_run" in metrics and run_counters(server.endpoint).snapshots_accepted

    processes.wait_for("the snapshot", arrived)


def test_observing_after_the_end_is_counted_as_dropped(server: processes.Server) -> None:
    sender = sender_to(server.endpoint)
    send(sender, 0)
    assert sender.close(20.0)

    send(sender, 1)
    sender.scalar("loss", 1, 0.0)
    sender.step_done(1)

    assert sender.counters() == Counters(enqueued=2, acked=1, dropped=1, scalars_dropped=1)
    assert sender.close(20.0), "the first answer"
    assert isinstance(sender, Sender)
