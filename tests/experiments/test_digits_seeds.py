"""Healthy and killed training on the real digits, over several seeds.

The figures of the README come from here: run with -s to see the table.
"""

from __future__ import annotations

import json
import pathlib

import processes
from baseline import never_fired_share, next_cosine

SEEDS = (1, 2, 3, 4, 5)
TRAINING_EXAMPLES = 1437
HEALTHY = ("--hidden=64,64", "--optimizer=adam", "--learning-rate=0.001")
KILLING = ("--hidden=64,64", "--optimizer=adam", "--learning-rate=0.05")


def shown(server: processes.Server, *arguments: str) -> dict[str, object]:
    done = processes.run("firekeeper", *arguments, "--json", f"--endpoint={server.endpoint}")
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def train(server: processes.Server, run: str, seed: int, flags: tuple[str, ...]) -> float:
    done = processes.run(
        "digits_trainer", "--quiet", "--json", f"--run={run}", f"--seed={seed}", *flags,
        f"--endpoint={server.endpoint}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout.splitlines()[-1])["test_accuracy"])


def hidden_layers(server: processes.Server, run: str) -> list[dict[str, object]]:
    layers = shown(server, "layers", run)["layers"]
    assert isinstance(layers, list)
    return [layer for layer in layers if not layer["layer"].get("is_output", False)]


def dead_units(server: processes.Server, run: str, layer: str) -> list[dict[str, object]]:
    units = shown(server, "units", run, layer, "--state=dead,born_dead")["units"]
    assert isinstance(units, list)
    return units


def probe_never_fired(layer: dict[str, object]) -> tuple[int, int]:
    """Units that fired on no training example in the frozen pass, of how many."""
    signals = layer["signals"]
    assert isinstance(signals, list)
    probe = next(
        s for s in signals if s["phase"] == "PHASE_PROBE" and s["signal"] == "SIGNAL_ACTIVATION"
    )
    return int(probe.get("units_never_fired", 0)), int(probe["unit_count"])


def test_healthy_training_keeps_its_units(tmp_path: pathlib.Path) -> None:
    with processes.running(tmp_path) as server:
        for seed in SEEDS:
            run = f"healthy-{seed}"
            accuracy = train(server, run, seed, HEALTHY)
            assert accuracy > 0.9
            cosine = 0.0  # standardised inputs
            for layer in hidden_layers(server, run):
                name = layer["layer"]["name"]  # type: ignore[index]
                fired_and_dead = [
                    u for u in dead_units(server, run, name) if "last_firing_step" in u
                ]
                assert fired_and_dead == [], f"seed {seed}, {name}"
                silent, units = probe_never_fired(layer)
                expected = never_fired_share(cosine, TRAINING_EXAMPLES)
                print(
                    f"{run:12} {name:10} never fired {silent}/{units}, expected {expected:.4f}, accuracy {accuracy:.3f}"
                )
                assert silent / units <= expected + 0.05, f"seed {seed}, {name}"
                cosine = next_cosine(cosine)


def test_the_killing_rate_shows_certified_deaths(tmp_path: pathlib.Path) -> None:
    with processes.running(tmp_path) as server:
        for seed in SEEDS:
            run = f"killed-{seed}"
            accuracy = train(server, run, seed, KILLING)
            dead, units = 0, 0
            for layer in hidden_layers(server, run):
                name = layer["layer"]["name"]  # type: ignore[index]
                found = dead_units(server, run, name)
                for unit in found:
                    assert float(str(unit["rate_upper_bound"])) < 1e-3
                    assert int(str(unit["certified_step"])) > 0
                dead += len(found)
                units += probe_never_fired(layer)[1]
            print(f"{run:12} dead {dead}/{units}, accuracy {accuracy:.3f}")
            assert dead / units > 0.05, f"seed {seed}"
