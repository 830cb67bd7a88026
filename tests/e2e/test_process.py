"""firekeeperd as a process: start, stop, exit codes, configuration."""

from __future__ import annotations

import json
import pathlib
import signal

import processes


def test_sigterm_ends_it_with_zero(tmp_path: pathlib.Path) -> None:
    server = processes.Server(tmp_path).start()
    assert server.stop() == 0


def test_sigint_ends_it_with_zero(tmp_path: pathlib.Path) -> None:
    server = processes.Server(tmp_path).start()
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=30) == 0


def test_a_taken_port_is_exit_code_3(server: processes.Server) -> None:
    second = processes.run("firekeeperd", f"--port={server.port}", "--http-port=0")
    assert second.returncode == 3
    assert str(server.port) in second.stderr


def test_a_taken_http_port_is_exit_code_3(server: processes.Server) -> None:
    second = processes.run("firekeeperd", "--port=0", f"--http-port={server.http_port}")
    assert second.returncode == 3


def test_an_unknown_key_of_the_file_is_named(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "firekeeper.toml"
    config.write_text("port = 0\nmax-run = 5\n")
    started = processes.run("firekeeperd", f"--config={config}")
    assert started.returncode == 2
    assert "max-run" in started.stderr


def test_flag_beats_environment_beats_file(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "firekeeper.toml"
    config.write_text("max-runs = 1\nmax-labels = 1\nmax-sources = 1\n")
    shown = processes.run(
        "firekeeperd",
        f"--config={config}",
        "--max-runs=3",
        "--print-config",
        env={"FIREKEEPER_MAX_RUNS": "2", "FIREKEEPER_MAX_LABELS": "2"},
    )
    assert shown.returncode == 0, shown.stderr
    values = [line.split("#")[0].replace(" ", "") for line in shown.stdout.splitlines()]
    assert "max-runs=3" in values
    assert "max-labels=2" in values
    assert "max-sources=1" in values


def test_beyond_loopback_needs_tls_or_insecure() -> None:
    refused = processes.run("firekeeperd", "--host=0.0.0.0", "--port=0", "--http-port=0")
    assert refused.returncode == 2
    assert "--insecure" in refused.stderr


def test_json_logs_are_json(tmp_path: pathlib.Path) -> None:
    with processes.running(tmp_path, "--log-format=json") as server:
        pass
    lines = server.log().splitlines()
    assert lines
    for line in lines:
        json.loads(line)
