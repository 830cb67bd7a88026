"""Somebody is told that a layer dies, and that it is over: real server,
Prometheus, Alertmanager and training."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import processes
import watchers

NETWORK = ("--run=digits", "--hidden=64,64", "--optimizer=adam", "--quiet")
HEALTHY = "--learning-rate=0.001"
KILLING = "--learning-rate=0.05"
# Longer than any test: the trainer is stopped when enough was seen.
FOREVER = "--epochs=1000000"


@contextlib.contextmanager
def training(server: processes.Server, *flags: str) -> Iterator[None]:
    """A trainer that is killed at the end, so that its run does not say goodbye."""
    trainer = subprocess.Popen(
        [
            str(processes.binary("digits_trainer")),
            f"--endpoint={server.endpoint}",
            *NETWORK,
            FOREVER,
            *flags,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield
        assert trainer.poll() is None, "it still trained"
    finally:
        trainer.kill()
        trainer.wait(timeout=30)


def test_a_dying_layer_is_told_and_the_remedy_clears_it(
    server: processes.Server, tmp_path: pathlib.Path
) -> None:
    with (
        watchers.webhook() as webhook,
        watchers.alertmanager(tmp_path, webhook.url) as alertmanager_port,
        watchers.prometheus(tmp_path, server.http_port, alertmanager_port) as prometheus,
    ):
        with training(server, KILLING):
            told = processes.wait_for(
                "somebody to be told of a dead layer",
                lambda: webhook.alerts(
                    lambda alert: alert["labels"]["alertname"] == "FirekeeperLayerDead"
                    and alert["status"] == "firing"
                ),
                seconds=60,
            )[0]
        print(json.dumps(told, indent=2))
        labels, annotations = told["labels"], told["annotations"]
        assert told["receiver"] == "team-page"
        assert labels["run"] == "digits"
        assert labels["tenant"] == "default"
        assert labels["severity"] == "critical"
        layer = labels["layer"]
        assert f"of layer {layer} of run digits" in annotations["description"]
        # The value: a share between the threshold and all of them.
        value = float(annotations["description"].split("%")[0])
        assert 50.0 <= value <= 100.0
        with urllib.request.urlopen(annotations["runbook_url"], timeout=10) as response:
            assert response.read().decode().startswith("# FirekeeperLayerDead\n")

        with training(server, HEALTHY):
            processes.wait_for(
                "somebody to be told that it is over",
                lambda: webhook.alerts(
                    lambda alert: alert["labels"]["alertname"] == "FirekeeperLayerDead"
                    and alert["labels"]["layer"] == layer
                    and alert["status"] == "resolved"
                ),
                seconds=60,
            )
            # Because of the remedy, not because the run was over.
            ended = prometheus.query('firekeeper_run_ended{run="digits"}')
            assert [sample["value"][1] for sample in ended] == ["0"]


def test_a_healthy_run_raises_nothing(server: processes.Server, tmp_path: pathlib.Path) -> None:
    with watchers.prometheus(tmp_path, server.http_port) as prometheus:

        def trained_on() -> list[dict[str, Any]]:
            return prometheus.query(
                "min by (run) (layer:firekeeper_coverage:ratio)"
                " and on (run) firekeeper_run_step > 2000"
                " and on (run) changes(firekeeper_layer_evaluated_step[1m]) > 3"
            )

        with training(server, HEALTHY):
            processes.wait_for("Prometheus to have seen much of the run", trained_on, seconds=60)
            assert prometheus.query("count(ALERTS_FOR_STATE)") == []
            assert prometheus.alerts() == []


def test_every_runbook_is_served_as_it_is_written(server: processes.Server) -> None:
    runbooks = sorted((watchers.DEPLOY / "runbooks").glob("Firekeeper*.md"))
    assert runbooks
    for runbook in runbooks:
        url = f"http://127.0.0.1:{server.http_port}/runbooks/{runbook.stem}"
        with urllib.request.urlopen(url, timeout=10) as response:
            assert response.read().decode() == runbook.read_text()
