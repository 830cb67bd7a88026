"""Full disks, stopped processes and crowds: what happens around a server."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import grpc
import oracle
import processes
import pytest
from firekeeper.v1 import diagnostics_pb2, diagnostics_pb2_grpc
from test_server_kills import start

SOURCES = 4
MIB = 1 << 20


@contextlib.contextmanager
def small_disk(folder: pathlib.Path, size: int) -> Iterator[pathlib.Path]:
    """A file system of ``size`` bytes."""
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"may not mount a tmpfs here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def metric(server: processes.Server, name: str) -> float:
    """The value of a metric without labels."""
    for line in server.metrics().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def test_a_full_disk_that_gets_space_again(
    tmp_path: pathlib.Path, seed: int, times: int, met: Callable[[int], None]
) -> None:
    for part in range(times):
        with small_disk(tmp_path, 8 * MIB) as disk:
            fill_and_free(tmp_path, disk, seed + part)
        met(1)


def fill_and_free(folder: pathlib.Path, disk: pathlib.Path, seed: int) -> None:
    filler = disk / "filler"
    filler.write_bytes(b"\0" * (6 * MIB))
    server = processes.Server(
        folder, f"--data-dir={disk / 'data'}", "--commit-interval-milliseconds=10", *oracle.FLAGS
    ).start()
    sources = [
        oracle.Source("run", source, SOURCES, lambda: server.endpoint, seed).start()
        for source in range(SOURCES)
    ]
    processes.wait_for("a full disk", lambda: metric(server, "firekeeper_store_degraded") == 1.0)
    with grpc.insecure_channel(server.endpoint) as channel:
        stub = diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)
        run = stub.GetRun(diagnostics_pb2.GetRunRequest(run_id="run"), timeout=10).run
        assert run.counters.snapshots_accepted > 0
    filler.unlink()
    processes.wait_for("space", lambda: metric(server, "firekeeper_store_degraded") == 0.0)
    oracle.finish_and_verify(server.endpoint, sources)
    server.kill()
    server.start()
    oracle.verify(oracle.Counted(server.endpoint, "run"), sources, complete=True)
    assert server.stop() == 0, server.log()


def test_a_server_that_stood_still(
    tmp_path: pathlib.Path, seed: int, times: int, met: Callable[[int], None]
) -> None:
    """Stopped for longer than every timeout, then continued."""
    server = start(tmp_path, "--stream-idle-seconds=1", "--open-timeout-seconds=1")
    sources = [
        oracle.Source("run", source, SOURCES, lambda: server.endpoint, seed).start()
        for source in range(SOURCES)
    ]
    assert server.process is not None
    for _ in range(5 * times):
        before = max(source.durable for source in sources)
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        server.process.send_signal(signal.SIGCONT)
        processes.wait_for(
            "an ack", lambda before=before: max(source.durable for source in sources) > before
        )
        met(1)
    oracle.finish_and_verify(server.endpoint, sources)
    assert server.stop() == 0, server.log()


def test_two_hundred_streams_that_come_back_at_once(
    tmp_path: pathlib.Path, seed: int, times: int, met: Callable[[int], None]
) -> None:
    for part in range(times):
        folder = tmp_path / f"{part}"
        folder.mkdir()
        storm(folder, seed + part)
        met(1)


def storm(folder: pathlib.Path, seed: int) -> None:
    server = start(folder)
    endpoint = [server.endpoint]
    runs = {
        f"run-{run}": [
            oracle.Source(f"run-{run}", source, 8, lambda: endpoint[0], seed + run)
            for source in range(8)
        ]
        for run in range(25)
    }
    everyone = [source for sources in runs.values() for source in sources]
    for source in everyone:
        source.limit = 20
        source.start()
    processes.wait_for(
        "an ack for all", lambda: min(source.durable for source in everyone) > 0, 60.0
    )
    server.kill()
    server.start()
    endpoint[0] = server.endpoint
    for source in everyone:
        source.finish()
    for source in everyone:
        source.join(90)
    for run, sources in runs.items():
        oracle.verify(oracle.Counted(server.endpoint, run), sources, complete=True)
    assert server.stop() == 0, server.log()


def test_runs_that_come_and_go_leave_nothing(tmp_path: pathlib.Path, seed: int) -> None:
    """Memory, descriptors and threads stay where they are. FIREKEEPER_SOAK_SECONDS: how long."""
    seconds = float(os.environ.get("FIREKEEPER_SOAK_SECONDS", "180"))
    chance = random.Random(seed)
    server = start(tmp_path)
    end = time.monotonic() + seconds
    settled: tuple[int, int, int] | None = None
    number = 0
    with grpc.insecure_channel(server.endpoint) as channel:
        stub = diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)
        while time.monotonic() < end:
            number += 1
            run = f"run-{number}"
            sources = [
                oracle.Source(run, source, 3, lambda: server.endpoint, seed + number)
                for source in range(3)
            ]
            for source in sources:
                source.limit = chance.randint(1, 30)
                source.start()
            for source in sources:
                source.finish()
                source.join(30)
            oracle.verify(oracle.Counted(server.endpoint, run), sources, complete=True)
            stub.DeleteRun(diagnostics_pb2.DeleteRunRequest(run_id=run), timeout=10)
            if settled is None and time.monotonic() > end - seconds / 2:
                settled = footprint(server)
    assert settled is not None and number > 20
    memory, descriptors, threads = footprint(server)
    assert memory < settled[0] + 16 * MIB, f"{settled[0]} bytes became {memory}"
    assert descriptors <= settled[1] + 8
    assert threads <= settled[2] + 4
    assert server.stop() == 0, server.log()


def footprint(server: processes.Server) -> tuple[int, int, int]:
    """Resident bytes, descriptors and threads."""
    assert server.process is not None
    proc = pathlib.Path(f"/proc/{server.process.pid}")
    return (
        server.resident_bytes(),
        len(list((proc / "fd").iterdir())),
        len(list((proc / "task").iterdir())),
    )
