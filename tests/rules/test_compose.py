"""The compose file is valid, and what it mounts is there. No container is run."""

import pathlib
import subprocess
from typing import Any

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy"
COMPOSE = DEPLOY / "compose.yaml"


def as_docker_compose_reads_it() -> dict[str, Any]:
    read = subprocess.run(
        ["docker-compose", "-f", str(COMPOSE), "config"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert read.returncode == 0, read.stderr
    configuration: dict[str, Any] = yaml.safe_load(read.stdout)
    return configuration


def test_it_fits_the_schema_of_compose() -> None:
    services = as_docker_compose_reads_it()["services"]

    assert set(services) == {"firekeeperd", "prometheus", "alertmanager", "grafana"}


def test_everything_that_is_mounted_is_there() -> None:
    for name, service in yaml.safe_load(COMPOSE.read_text())["services"].items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (COMPOSE.parent / source).exists(), f"{name}: {source}"


def test_nothing_is_published_beyond_this_machine() -> None:
    for service in yaml.safe_load(COMPOSE.read_text())["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_its_prometheus_differs_in_addresses_only() -> None:
    ours = yaml.safe_load((DEPLOY / "prometheus" / "prometheus-compose.yml").read_text())
    alone = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())

    for configuration in (ours, alone):
        configuration["alerting"]["alertmanagers"][0].pop("static_configs")
        configuration["scrape_configs"][0].pop("static_configs")
    assert ours == alone
