"""The examples, run as a user runs them, and what the server says afterwards."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Dict, Iterator, List

import firekeeper
import processes
import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"
# Of an epoch, 64 of the 1,437 training digits each.
BATCHES = 22


@pytest.fixture(scope="module", name="server")
def fixture_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Server]:
    with processes.running(tmp_path_factory.mktemp("server")) as server:
        yield server


def run(server: processes.Server, name: str, *flags: str, **variables: str) -> str:
    """What the example prints. Its run has its name unless ``flags`` say otherwise."""
    return python(server, str(EXAMPLES / f"{name}.py"), *flags, **variables)


def python(server: processes.Server, *arguments: str, **variables: str) -> str:
    """What a Python process prints that ends well."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    environment["FIREKEEPER_ENDPOINT"] = server.endpoint
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=environment,
        cwd=EXAMPLES,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_complete(
    server: processes.Server, run_id: str, last_step: int, sources: int = 1
) -> None:
    """The run is over, and all that was observed came, from all of its processes."""
    with firekeeper.Client(server.endpoint) as client:
        seen = client.run(run_id)
    assert (seen["state"], seen["last_step"]) == ("ended", last_step)
    assert [each["source_count"] for each in seen["attempts"]] == [sources]
    for name in ("rejected", "gap", "conflicting"):
        assert seen["counters"][f"snapshots_{name}"] == 0, name
    for layer in layers(server, run_id).values():
        assert layer["coverage"] == {"shards_received": sources, "shards_expected": sources}


@pytest.fixture(scope="module", name="deaths")
def fixture_deaths(server: processes.Server) -> Iterator[Dict[str, Future[str]]]:
    """What the examples print that run for long, side by side, by the name of the run.

    A death needs more than 1,024 steps, and at least every other one observed.
    """
    flags = ("--learning-rate=0.05", "--epochs=56", "--run=killed")
    with ThreadPoolExecutor() as pool:
        yield {
            "killed": pool.submit(run, server, "mlp", *flags, FIREKEEPER_EVERY="2"),
            "autoencoder": pool.submit(run, server, "autoencoder"),
        }


def layers(server: processes.Server, run_id: str) -> Dict[str, Dict[str, Any]]:
    with firekeeper.Client(server.endpoint) as client:
        return {each["layer"]["name"]: each for each in client.layers(run_id)}


def states(server: processes.Server, run_id: str, layer: str) -> Dict[str, int]:
    """How many units of the layer are in each state."""
    counts = layers(server, run_id)[layer]["units_by_state"]
    return {each["state"]: each["units"] for each in counts if each["units"]}


def dead(server: processes.Server, run_id: str, layer: str) -> List[int]:
    with firekeeper.Client(server.endpoint) as client:
        return client.dead_units(run_id, layer)


def faults(server: processes.Server, run_id: str) -> List[str]:
    """Causes that are faults, gravest first."""
    with firekeeper.Client(server.endpoint) as client:
        findings = client.diagnosis(run_id)["findings"]
    return [each["cause"] for each in findings if each["is_fault"]]


def test_a_perceptron_dies_of_its_rate_and_is_mended(
    server: processes.Server, deaths: Dict[str, Future[str]]
) -> None:
    deaths["killed"].result()
    shown = run(server, "mlp", "--epochs=6", "--run=mended", "--remedy-of=killed")

    assert len(dead(server, "killed", "relu1")) > 5
    assert faults(server, "killed") == ["learning_rate_too_high"]
    # The probe belongs to the step that would be next.
    assert_complete(server, "mended", last_step=6 * BATCHES)
    assert states(server, "mended", "relu1") == {"alive": 64}
    assert faults(server, "mended") == []
    assert "units dead in killed, now 0" in shown


def test_the_channels_of_the_convolutions_are_units(server: processes.Server) -> None:
    run(server, "cnn", "--epochs=3")

    assert_complete(server, "cnn", last_step=3 * BATCHES)
    seen = layers(server, "cnn")
    assert {name: each["layer"]["unit_count"] for name, each in seen.items()} == {
        "relu1": 16,
        "relu2": 32,
        "output": 10,
    }
    assert [seen[name]["layer"]["norm_before"] for name in ("relu1", "relu2")] == [False, True]


def test_channels_that_no_digit_excites_are_found_by_the_probe(server: processes.Server) -> None:
    run(server, "cnn", "--epochs=6", "--learning-rate=0.3", "--run=cnn-killed")

    assert states(server, "cnn-killed", "relu2").get("dead_on_set", 0) > 5
    assert faults(server, "cnn-killed") == ["learning_rate_too_high"]
    with firekeeper.Client(server.endpoint) as client:
        birth = client.history("cnn-killed", "relu2", "activation", "birth")
    assert [each["units_never_fired"] for each in birth] == [0]


def test_a_transformer_shows_its_rectified_units_and_its_norms(server: processes.Server) -> None:
    run(server, "transformer", "--epochs=1", FIREKEEPER_EVERY="1")

    assert_complete(server, "transformer", last_step=BATCHES - 1)
    seen = layers(server, "transformer")
    for block in (0, 1):
        assert seen[f"blocks.{block}.mlp.1"]["layer"]["unit_count"] == 128
        assert seen[f"blocks.{block}.norm2"]["layer"]["kind"] == "normalization"
        assert seen[f"blocks.{block}.attention"]["layer"]["kind"] == "attention"
    assert faults(server, "transformer") == []


def test_two_processes_are_one_run(server: processes.Server) -> None:
    run(server, "ddp", "--epochs=1", FIREKEEPER_EVERY="1")

    assert_complete(server, "ddp", last_step=BATCHES - 1, sources=2)


def test_two_processes_of_torchrun_are_one_run(server: processes.Server) -> None:
    # With its defaults for the two streams PyTorch 1.13 does not start under Python 3.11.
    torchrun = (
        "-m",
        "torch.distributed.run",
        "--rdzv_backend=c10d",
        "--rdzv_endpoint=127.0.0.1:0",
        "--nproc_per_node=2",
    )
    streams = ("--monitor_interval=0.2", "--redirects=1", "--tee=1")
    flags = ("ddp.py", "--epochs=1", "--run=torchrun")
    python(server, *torchrun, *streams, *flags, FIREKEEPER_EVERY="1")

    assert_complete(server, "torchrun", last_step=BATCHES - 1, sources=2)


def test_recycled_latents_live_again(
    server: processes.Server, deaths: Dict[str, Future[str]]
) -> None:
    shown = deaths["autoencoder"].result()

    counts = re.search(r"(\d+) of the (\d+) latents that were recycled have fired", shown)
    assert counts is not None, shown
    revived, recycled = int(counts[1]), int(counts[2])
    assert recycled > 10 and revived > 0.9 * recycled
    life = layers(server, "autoencoder")["latents"]["life"]
    assert life["revivals"] == revived
    assert len(dead(server, "autoencoder", "latents")) < recycled / 2


def test_arrays_of_another_framework_are_enough(server: processes.Server) -> None:
    without_torch = "import sys; sys.modules['torch'] = None; import stream; stream.main()"
    python(server, "-c", without_torch)

    assert len(dead(server, "numpy", "hidden")) > 2
    assert faults(server, "numpy") == ["learning_rate_too_high"]
