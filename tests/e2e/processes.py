"""Real processes under test: started on free ports, awaited by port file."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

DEADLINE_SECONDS = 30.0


def binary(name: str) -> pathlib.Path:
    """Path of a built program; FIREKEEPER_BIN names its folder."""
    folder = pathlib.Path(os.environ["FIREKEEPER_BIN"])
    return folder / name


def wait_for(what: str, condition: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
    """Polls until `condition()` is true and returns what it gave."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)


class Server:
    """A running firekeeperd."""

    def __init__(self, folder: pathlib.Path, *flags: str) -> None:
        self.folder = folder
        self.flags = flags
        self.log_path = folder / "firekeeperd.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.http_port = 0

    def start(self, port: int = 0, http_port: int = 0) -> "Server":
        """Starts it and waits until both listeners are up."""
        port_file = self.folder / "grpc.port"
        http_port_file = self.folder / "http.port"
        port_file.unlink(missing_ok=True)
        http_port_file.unlink(missing_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    binary("firekeeperd"),
                    f"--port={port}",
                    f"--port-file={port_file}",
                    f"--http-port={http_port}",
                    f"--http-port-file={http_port_file}",
                    *self.flags,
                ],
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

        def up() -> bool:
            assert self.process is not None
            code = self.process.poll()
            if code is not None:
                raise AssertionError(f"firekeeperd ended with {code}:\n{self.log()}")
            return port_file.exists() and http_port_file.exists()

        wait_for("the listeners of firekeeperd", up)
        self.port = int(port_file.read_text())
        self.http_port = int(http_port_file.read_text())
        return self

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/metrics"

    def log(self) -> str:
        return self.log_path.read_text()

    def metrics(self) -> str:
        with urllib.request.urlopen(self.metrics_url, timeout=10) as response:
            text: str = response.read().decode()
        return text

    def resident_bytes(self) -> int:
        """Memory the process has in RAM now."""
        assert self.process is not None
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(row for row in status.splitlines() if row.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def peak_bytes(self) -> int:
        """The most memory the process ever had in RAM."""
        assert self.process is not None
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(row for row in status.splitlines() if row.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def kill(self) -> None:
        """Ends it as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=DEADLINE_SECONDS)

    def stop(self) -> int:
        """Asks it to end and returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=DEADLINE_SECONDS)


@contextlib.contextmanager
def running(folder: pathlib.Path, *flags: str) -> Iterator[Server]:
    """A firekeeperd that is stopped at the end and must end cleanly."""
    server = Server(folder, *flags).start()
    try:
        yield server
    finally:
        assert server.process is not None
        if server.process.poll() is None:
            code = server.stop()
            assert code == 0, f"firekeeperd ended with {code}:\n{server.log()}"


def run(
    name: str, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs one of our programs to its end."""
    return subprocess.run(
        [binary(name), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=240,
        env={**os.environ, **(env or {})},
        check=False,
    )


def listening_port(pid: int) -> int:
    """The TCP port that a process listens on, 0 while it does not."""
    inodes = set()
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[len("socket:[") : -1])
    for table in ("tcp", "tcp6"):
        for row in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            listens = fields[3] == "0A"
            if listens and fields[9] in inodes:
                return int(fields[1].rsplit(":", 1)[1], 16)
    return 0
