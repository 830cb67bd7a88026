"""Processes that stream through the real clients, and what they said before they were killed."""

from __future__ import annotations

import functools
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
from typing import NamedTuple

import processes

HERE = pathlib.Path(__file__).resolve().parent
STAGE = HERE.parents[1] / "client" / "python" / "stage.py"
CPP = "cpp"
PYTHON = "python"
ROOMY_RING = 64 << 20


@functools.lru_cache(maxsize=None)
def staged() -> "tempfile.TemporaryDirectory[str]":
    """The Python package, to be imported from there; goes when this process ends."""
    folder = tempfile.TemporaryDirectory(prefix="firekeeper-staged-")
    library = os.environ.get("FIREKEEPER_REDUCE_LIBRARY")
    reduction = ["--library", library] if library else []
    subprocess.run([sys.executable, str(STAGE), folder.name, *reduction], check=True)
    return folder


class Said(NamedTuple):
    """A line of counters."""

    enqueued: int
    acked: int
    rejected: int
    dropped: int
    buffered: int
    invalid: int
    reconnects: int


class Client:
    """A rank in a process of its own: watcher_client.cc or package_client.py.

    Has what oracle.verify() asks of a source: ``sent`` may be one more than was given,
    ``durable`` less than what was acked, as the process may die before it says so.
    """

    def __init__(
        self,
        language: str,
        server: processes.Server,
        source: int = 0,
        sources: int = 1,
        *,
        run: str = "run",
        token: str = "life-1",
        resume: int = 0,
        ring_bytes: int = ROOMY_RING,
    ) -> None:
        self.source, self.resume = source, resume
        self.sent = 0
        self.durable = 0  # where nothing is dropped
        self.broken_promise = ""
        self.counters = Said(0, 0, 0, 0, 0, 0, 0)
        self.closed: bool | None = None
        program = [str(processes.binary("fault_client"))]
        if language == PYTHON:
            program = [sys.executable, str(HERE / "package_client.py")]
        arguments = [server.endpoint, run, source, sources, token, resume, ring_bytes]
        with (server.folder / "clients.log").open("a") as log:
            self._process = subprocess.Popen(
                [*program, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": staged().name},
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stream(self, count: int) -> "Client":
        """Gives snapshots up to this number, a handful ahead of the acks; returns at once."""
        self._tell(f"stream {count}")
        return self

    def flood(self, count: int) -> "Client":
        """The same without regard to acks."""
        self._tell(f"flood {count}")
        return self

    def kill(self) -> None:
        """kill -9; afterwards everything that it said is known."""
        self._process.kill()
        self._end(-9)

    def close(self) -> None:
        """Has it say goodbye."""
        self._tell("close")

    def join(self) -> None:
        """After close(): everything that it said is known."""
        self._end(0)
        # It promises that the server has everything.
        promised, expected = self.closed, self.counters.dropped == 0
        assert promised == expected, f"source {self.source}: {promised}, {self.counters}"

    def _tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def _end(self, code: int) -> None:
        assert self._process.wait(timeout=90) == code
        self._reader.join(30)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith("\n"):
                return  # killed while it spoke
            word, *numbers = line.split()
            if word == "sending":
                self.sent = int(numbers[0])
            elif word == "closed":
                self.closed = numbers == ["1"]
            else:
                self._take(Said(*map(int, numbers)))

    def _take(self, said: Said) -> None:
        accounted = said.acked + said.rejected + said.dropped + said.buffered
        if said.enqueued != accounted or said.invalid or said.acked < self.counters.acked:
            self.broken_promise = f"{said} after {self.counters}"
        self.counters = said
        if not said.dropped:
            self.durable = said.acked
