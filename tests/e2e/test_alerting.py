"""Somebody is told that a layer dies, and that it is over: real server,
Prometheus, Alertmanager and training."""

from __future__ import annotations

import json
import pathlib
import time
import urllib.request
from typing import Any

import processes
import watchers
from trainers import KILLING, training

HEALTHY = "--learning-rate=0.001"


def wait_for_steps(
    server: processes.Server, prometheus: watchers.Prometheus, attempt: int = 1
) -> None:
    """Until much of an attempt was judged, and the rules evaluated with it."""

    def is_far() -> bool:
        asked = processes.run(
            "firekeeper", f"--endpoint={server.endpoint}", "--json", "run", "digits"
        )
        if asked.returncode != 0:
            return False
        run = json.loads(asked.stdout)
        return len(run["attempts"]) == attempt and int(run["last_step"]) > 2000

    processes.wait_for(f"much of attempt {attempt}", is_far, seconds=60)
    now = time.time()
    processes.wait_for(
        "Prometheus to know of it",
        lambda: prometheus.query(
            f"firekeeper_run_assessed_timestamp_seconds > {now}"
            f" and on (run) timestamp(run:firekeeper_units:sum) > {now + 2}"
        ),
        seconds=60,
    )


def resolved(webhook: watchers.Webhook, layer: str) -> list[dict[str, Any]]:
    return webhook.alerts(
        lambda alert: alert["labels"]["alertname"] == "FirekeeperLayerDead"
        and alert["labels"]["layer"] == layer
        and alert["status"] == "resolved"
    )


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

        resolved_before = len(resolved(webhook, layer))
        with training(server, HEALTHY):
            processes.wait_for(
                "somebody to be told that it is over",
                lambda: len(resolved(webhook, layer)) > resolved_before,
                seconds=60,
            )
            wait_for_steps(server, prometheus, attempt=2)
            # Because of the remedy: not because the run was over, and for good.
            ended = prometheus.query('firekeeper_run_ended{run="digits"}')
            assert [sample["value"][1] for sample in ended] == ["0"]
            assert prometheus.query('ALERTS{alertname=~"FirekeeperLayer.*",run="digits"}') == []


def test_the_same_rate_again_is_no_remedy(server: processes.Server, tmp_path: pathlib.Path) -> None:
    with watchers.prometheus(tmp_path, server.http_port) as prometheus:
        for attempt in (1, 2):
            with training(server, KILLING):
                processes.wait_for(
                    f"attempt {attempt} to kill a layer",
                    lambda: prometheus.query('ALERTS{alertname="FirekeeperLayerDead"}'),
                    seconds=60,
                )
                wait_for_steps(server, prometheus, attempt)
                assert prometheus.query('ALERTS{alertname="FirekeeperLayerDead"}')


def test_a_healthy_run_raises_nothing(server: processes.Server, tmp_path: pathlib.Path) -> None:
    with watchers.prometheus(tmp_path, server.http_port) as prometheus:
        with training(server, HEALTHY):
            wait_for_steps(server, prometheus)

            # At no time; what Prometheus says of its own scrapes is not the run's.
            raised = prometheus.query('count_over_time(ALERTS{run!=""}[10m])')
            assert [sample["metric"]["alertname"] for sample in raised] == []


def test_every_runbook_is_served_as_it_is_written(server: processes.Server) -> None:
    runbooks = sorted((watchers.DEPLOY / "runbooks").glob("Firekeeper*.md"))
    assert runbooks
    for runbook in runbooks:
        url = f"http://127.0.0.1:{server.http_port}/runbooks/{runbook.stem}"
        with urllib.request.urlopen(url, timeout=10) as response:
            assert response.read().decode() == runbook.read_text()
