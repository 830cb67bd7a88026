"""/metrics as Prometheus and its tools see it."""

from __future__ import annotations

import json
import pathlib
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import grpc

import processes
import wire


def stream_a_run(server: processes.Server, run: str = "run", steps: int = 8) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        stream = wire.Stream(channel)
        stream.send(wire.open_message(run))
        for step in range(steps):
            stream.send(wire.batch(step + 1, step, [[1.0, 0.0, 2.0, 3.0]] * 64))
        stream.send(wire.progress(steps - 1), wire.close(steps))
        assert stream.end() == grpc.StatusCode.OK


def test_promtool_accepts_a_live_scrape(server: processes.Server) -> None:
    stream_a_run(server, "we/ird:run+1")
    text = server.metrics()
    assert 'run="we/ird:run+1"' in text
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
        assert 'run="run"' in server.metrics()
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
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        "scrape_configs:\n"
        "  - job_name: firekeeper\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{server.http_port}']}}]\n"
    )
    log_path = tmp_path / "prometheus.log"
    with log_path.open("wb") as log:
        prometheus = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=log,
            stdout=log,
        )
    try:
        port = processes.wait_for(
            "Prometheus to listen", lambda: processes.listening_port(prometheus.pid), seconds=60
        )
        trained = processes.run(
            "digits_trainer",
            f"--endpoint={server.endpoint}",
            "--run=digits",
            "--epochs=5",
            "--quiet",
        )
        assert trained.returncode == 0, trained.stderr

        def query(expression: str) -> list[dict[str, object]]:
            url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(expression)}"
            try:
                with urllib.request.urlopen(url, timeout=10) as response:
                    answer = json.load(response)
            except OSError:
                return []
            result: list[dict[str, object]] = answer["data"]["result"]
            return result

        expression = 'sum by (layer) (firekeeper_layer_units_by_state{run="digits"})'
        layers = processes.wait_for(
            "Prometheus to have the run", lambda: query(expression), seconds=60
        )
        units = query('firekeeper_layer_units{run="digits"}')
        assert len(layers) == len(units) > 0
    finally:
        prometheus.terminate()
        prometheus.wait(timeout=30)
