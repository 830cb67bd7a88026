"""Every query of every panel has data while a network dies: real server, store,
Prometheus and training."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import processes
import watchers
from trainers import KILLING, training

DASHBOARDS = sorted((watchers.DEPLOY / "grafana" / "dashboards").glob("*.json"))
# Grafana's own, short enough for a run of seconds.
BUILT_IN = {"__rate_interval": "10s", "__interval": "1s"}


def value_of(
    variable: dict[str, Any], known: dict[str, str], prometheus: watchers.Prometheus
) -> str:
    """What Grafana would put in by default: all of several, or the first."""
    if variable.get("current", {}).get("value") == "$__all":
        values = labels_of(variable, known, prometheus)
        return "(" + "|".join(values) + ")"
    return labels_of(variable, known, prometheus)[0]


def labels_of(
    variable: dict[str, Any], known: dict[str, str], prometheus: watchers.Prometheus
) -> list[str]:
    asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert asked
    series = prometheus.query(substituted(asked[1], known))
    values = sorted({sample["metric"][asked[2]] for sample in series})
    assert values, f"variable {variable['name']} has no value"
    return values


def substituted(expression: str, known: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda name: known[name[1]].replace("\\", "\\\\"), expression)


def queries_without_data(prometheus: watchers.Prometheus) -> list[str]:
    missing = []
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        known = dict(BUILT_IN)
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                known[variable["name"]] = value_of(variable, known, prometheus)
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                if not prometheus.query(substituted(target["expr"], known)):
                    missing.append(f"{path.stem}: {panel['title']}: {target['expr']}")
    return missing


def test_every_query_has_data_while_a_network_dies(tmp_path: pathlib.Path) -> None:
    with (
        processes.running(tmp_path, f"--data-dir={tmp_path / 'data'}") as server,
        watchers.prometheus(tmp_path, server.http_port) as prometheus,
        training(server, KILLING),
    ):
        processes.wait_for(
            "a layer to die",
            lambda: prometheus.query('firekeeper_layer_alarm{alarm="dead"} == 1'),
            seconds=60,
        )
        asked = processes.run("firekeeper", f"--endpoint={server.endpoint}", "diagnose", "digits")
        assert asked.returncode == 0, asked.stderr
        # Rates need two samples of everything.
        missing: list[str] = []

        def all_have_data() -> bool:
            missing[:] = queries_without_data(prometheus)
            return not missing

        try:
            processes.wait_for("every query to have data", all_have_data, seconds=30)
        finally:
            print("\n".join(missing))
