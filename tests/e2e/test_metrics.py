"""/metrics as Prometheus and its tools see it."""

from __future__ import annotations

import pathlib
import subprocess
import urllib.error
import urllib.request

import grpc

import processes
import watchers
import wire


def stream_a_run(server: processes.Server, run: str = "run", steps: int = 8) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        stream = wire.Stream(channel)
        stream.send(wire.open_message(run))
        for step in range(steps):
            stream.send(wire.batch(step + 1, step, [[1.0, 0.0, 2.0, 3.0]] * 64))
        stream.send(wire.progress(steps - 1), wire.close(steps))
        assert stream.end() == grpc.StatusCode.OK


def metrics_with(server: processes.Server, text: str) -> str:
    """What /metrics says once it says `text`: runs are those of the last second."""

    def metrics() -> str:
        said = server.metrics()
        return said if text in said else ""

    said: str = processes.wait_for(f"{text} on /metrics", metrics)
    return said


def test_promtool_accepts_a_live_scrape(server: processes.Server) -> None:
    stream_a_run(server, "we/ird:run+1")
    text = metrics_with(server, 'run="we/ird:run+1"')
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stderr == ""


def test_an_ended_run_leaves_after_its_time(tmp_path: pathlib.Path) -> None:
    with processes.running(tmp_path, "--ended-metrics-ttl-seconds=2") as server:
        stream_a_run(server)
        metrics_with(server, 'run="run"')
        processes.wait_for("the run to leave /metrics", lambda: 'run="run"' not in server.metrics())


def test_health_and_other_paths(server: processes.Server) -> None:
    base = f"http://127.0.0.1:{server.http_port}"
    for path in ("/healthz", "/readyz"):
        with urllib.request.urlopen(base + path, timeout=10) as response:
            assert response.status == 200
    try:
        urllib.request.urlopen(base + "/nothing", timeout=10)
    except urllib.error.HTTPError as error:
        assert error.code == 404
    else:
        raise AssertionError("an unknown path was served")


def test_prometheus_scrapes_a_real_run(server: processes.Server, tmp_path: pathlib.Path) -> None:
    with watchers.prometheus(tmp_path, server.http_port) as prometheus:
        trained = processes.run(
            "digits_trainer",
            f"--endpoint={server.endpoint}",
            "--run=digits",
            "--epochs=5",
            "--quiet",
        )
        assert trained.returncode == 0, trained.stderr

        expression = 'sum by (layer) (firekeeper_layer_units_by_state{run="digits"})'
        layers = processes.wait_for(
            "Prometheus to have the run", lambda: prometheus.query(expression), seconds=60
        )
        units = prometheus.query('firekeeper_layer_units{run="digits"}')
        assert len(layers) == len(units) > 0
