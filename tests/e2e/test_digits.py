"""The main job: real training on real digits, watched by the real server."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess

import processes

HEALTHY = ("--hidden=64,64", "--optimizer=adam", "--learning-rate=0.001")
KILLING = ("--hidden=64,64", "--optimizer=adam", "--learning-rate=0.05")


def train(*flags: str) -> dict[str, object]:
    """Trains to the end and returns what the trainer says of the result."""
    done = processes.run("digits_trainer", "--json", "--quiet", *flags)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def weights(result: dict[str, object]) -> object:
    return result["weights_hash"]


def firekeeper(server: processes.Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return processes.run("firekeeper", *arguments, f"--endpoint={server.endpoint}")


def layers(server: processes.Server, run: str) -> list[dict[str, object]]:
    shown = firekeeper(server, "layers", run, "--json")
    assert shown.returncode == 0, shown.stderr
    answer: list[dict[str, object]] = json.loads(shown.stdout)["layers"]
    return answer


def test_the_killing_rate_shows_dead_units_and_the_healthy_one_none(
    server: processes.Server,
) -> None:
    train(*HEALTHY, f"--endpoint={server.endpoint}", "--run=healthy")
    train(*KILLING, f"--endpoint={server.endpoint}", "--run=killed")
    healthy = firekeeper(server, "check", "healthy", "--max-dead=0%", "--allow-unknown")
    killed = firekeeper(server, "check", "killed", "--max-dead=5%")
    assert healthy.returncode == 0, healthy.stdout + healthy.stderr
    assert killed.returncode == 1, killed.stdout + killed.stderr


def test_training_is_bit_identical_with_the_server_up_absent_and_killed(
    tmp_path: pathlib.Path,
) -> None:
    flags = (*HEALTHY, "--epochs=10", "--every=1")
    alone = train(*flags, "--no-firekeeper")
    server = processes.Server(tmp_path).start()
    watched = train(*flags, f"--endpoint={server.endpoint}", "--run=watched")
    assert weights(watched) == weights(alone)

    trainer = subprocess.Popen(
        [processes.binary("digits_trainer"), "--json", "--quiet", *flags,
         f"--endpoint={server.endpoint}", "--run=orphan"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    processes.wait_for("the run to appear", lambda: 'run="orphan"' in server.metrics())
    server.kill()
    output, _ = trainer.communicate(timeout=120)
    assert trainer.returncode == 0
    assert weights(json.loads(output.splitlines()[-1])) == weights(alone)

    absent = train(*flags, f"--endpoint={server.endpoint}", "--run=absent")
    assert weights(absent) == weights(alone)


def test_training_goes_on_beside_a_stopped_server(tmp_path: pathlib.Path) -> None:
    flags = (*HEALTHY, "--epochs=5", "--every=1")
    alone = train(*flags, "--no-firekeeper")
    server = processes.Server(tmp_path).start()
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        stopped = train(*flags, f"--endpoint={server.endpoint}", "--run=stopped")
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert weights(stopped) == weights(alone)
    assert server.stop() == 0


def test_a_live_client_comes_back_to_a_restarted_server(tmp_path: pathlib.Path) -> None:
    server = processes.Server(tmp_path).start()
    port, http_port = server.port, server.http_port
    trainer = subprocess.Popen(
        [processes.binary("digits_trainer"), "--json", *HEALTHY, f"--epochs={2**20}", "--every=1",
         f"--endpoint={server.endpoint}", "--run=survivor"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        processes.wait_for("the run to appear", lambda: 'run="survivor"' in server.metrics())
        server.kill()
        server.start(port=port, http_port=http_port)
        processes.wait_for("the run to come back", lambda: 'run="survivor"' in server.metrics())
        shown = firekeeper(server, "run", "survivor", "--json")
        assert shown.returncode == 0, shown.stderr
    finally:
        trainer.terminate()
        trainer.communicate(timeout=60)
    assert server.stop() == 0
