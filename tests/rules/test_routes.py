"""Who is told of what, as amtool reads the routes that are shipped."""

import pathlib
import subprocess

import pytest

CONFIG = (
    pathlib.Path(__file__).resolve().parent.parent.parent
    / "deploy"
    / "alertmanager"
    / "alertmanager.yml"
)
RUN = ("instance=host:9464", "tenant=red", "run=digits")
SERVER = ("instance=host:9464",)


def amtool(*arguments: str) -> str:
    result = subprocess.run(
        ["amtool", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.strip()


def test_the_configuration_is_valid() -> None:
    assert "SUCCESS" in amtool("check-config", str(CONFIG))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ((*RUN, "severity=critical"), "team-page"),
        ((*RUN, "severity=warning"), "team"),
        ((*RUN, "severity=info"), "nobody"),
        ((*SERVER, "severity=critical"), "operators-page"),
        ((*SERVER, "severity=warning"), "operators"),
        ((*SERVER, "severity=info"), "nobody"),
    ],
)
def test_it_goes_to(labels: tuple[str, ...], receiver: str) -> None:
    assert amtool("config", "routes", "test", f"--config.file={CONFIG}", *labels) == receiver
