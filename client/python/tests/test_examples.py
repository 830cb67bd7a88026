"""The examples, run as a user runs them, and what the server says afterwards."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, Iterator, List

import firekeeper
import processes
import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module", name="server")
def fixture_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Server]:
    with processes.running(tmp_path_factory.mktemp("server")) as server:
        yield server


def run(server: processes.Server, name: str, *flags: str, **variables: str) -> str:
    """What the example prints. Its run has its name unless ``flags`` say otherwise."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    environment["FIREKEEPER_ENDPOINT"] = server.endpoint
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *flags],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def layers(server: processes.Server, run_id: str) -> Dict[str, Dict[str, Any]]:
    with firekeeper.Client(server.endpoint) as client:
        return {each["layer"]["name"]: each for each in client.layers(run_id)}


def dead(server: processes.Server, run_id: str, layer: str) -> List[int]:
    with firekeeper.Client(server.endpoint) as client:
        return client.dead_units(run_id, layer)


def faults(server: processes.Server, run_id: str) -> List[str]:
    """Causes that are faults, gravest first."""
    with firekeeper.Client(server.endpoint) as client:
        findings = client.diagnosis(run_id)["findings"]
    return [each["cause"] for each in findings if each["is_fault"]]


def test_the_perceptron_dies_of_its_rate_and_is_mended(server: processes.Server) -> None:
    run(server, "mlp", "--learning-rate=0.05", "--run=killed", FIREKEEPER_EVERY="1")
    shown = run(server, "mlp", "--epochs=20", "--run=mended", "--remedy-of=killed")

    assert len(dead(server, "killed", "relu1")) > 5
    assert faults(server, "killed") == ["learning_rate_too_high"]
    assert faults(server, "mended") == []
    assert "units dead in killed, now 0" in shown


def test_the_channels_of_the_convolutions_are_units(server: processes.Server) -> None:
    run(server, "cnn", "--epochs=3")

    seen = layers(server, "cnn")
    assert {name: each["layer"]["unit_count"] for name, each in seen.items()} == {
        "2": 16,
        "5": 32,
        "8": 10,
    }
    assert [seen[name]["layer"]["norm_before"] for name in ("2", "5")] == [False, True]


def test_a_transformer_shows_its_rectified_units_and_its_norms(server: processes.Server) -> None:
    run(server, "transformer", "--epochs=3")

    seen = layers(server, "transformer")
    for block in (0, 1):
        assert seen[f"blocks.{block}.mlp.1"]["layer"]["unit_count"] == 128
        assert seen[f"blocks.{block}.norm2"]["layer"]["kind"] == "normalization"
        assert seen[f"blocks.{block}.attention"]["layer"]["kind"] == "attention"
    assert faults(server, "transformer") == []


def test_two_processes_are_one_run(server: processes.Server) -> None:
    run(server, "ddp", "--epochs=3")

    for layer in layers(server, "ddp").values():
        assert layer["coverage"] == {"shards_received": 2, "shards_expected": 2}
    with firekeeper.Client(server.endpoint) as client:
        assert client.run("ddp")["attempts"][-1]["source_count"] == 2


def test_recycled_latents_live_again(server: processes.Server) -> None:
    run(server, "autoencoder")

    life = layers(server, "autoencoder")["latents"]["life"]
    assert life["deaths"] > 10
    assert life["revivals"] > life["deaths"] / 2


def test_arrays_of_another_framework_are_enough(server: processes.Server) -> None:
    program = "import sys; sys.modules['torch'] = None; import stream; stream.main()"
    environment = {**os.environ, "FIREKEEPER_ENDPOINT": server.endpoint}
    subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=240, env=environment, cwd=EXAMPLES
    )

    assert len(dead(server, "numpy", "hidden")) > 2
    assert faults(server, "numpy") == ["learning_rate_too_high"]
