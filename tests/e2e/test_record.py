"""Recordings of real training replay to what the server knew."""

from __future__ import annotations

import pathlib
import subprocess

import processes

KILLING = ("--optimizer=adam", "--learning-rate=0.05", "--quiet")


def train(server: processes.Server, *flags: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            processes.binary("digits_trainer"),
            *KILLING,
            *flags,
            f"--endpoint={server.endpoint}",
            "--run=digits",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def the_recording(folder: pathlib.Path) -> str:
    (path,) = folder.glob("*.fkrec")
    return str(path)


def test_a_whole_run_replays_to_the_same(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "recordings"
    with processes.running(tmp_path, f"--record={folder}") as server:
        assert train(server, "--epochs=20").wait() == 0

    replayed = processes.run("firekeeper", "replay", the_recording(folder))

    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "the same counts, states and findings" in replayed.stdout
    assert "1 findings" in replayed.stdout


def test_a_run_is_recorded_from_the_middle_on(tmp_path: pathlib.Path) -> None:
    with processes.running(tmp_path, f"--data-dir={tmp_path / 'data'}") as server:
        trainer = train(server, "--epochs=400")

        def firekeeper(*arguments: str) -> subprocess.CompletedProcess[str]:
            return processes.run("firekeeper", *arguments, f"--endpoint={server.endpoint}")

        processes.wait_for("the run", lambda: firekeeper("run", "digits").returncode == 0)
        started = firekeeper("record", "digits")
        assert started.returncode == 0, started.stderr
        assert trainer.wait() == 0
        stopped = firekeeper("record", "digits", "--stop")
        assert stopped.returncode == 0, stopped.stderr

    replayed = processes.run(
        "firekeeper", "replay", the_recording(tmp_path / "data" / "recordings")
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "the same counts, states and findings" in replayed.stdout


def test_a_killed_server_leaves_a_recording_that_replays(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "recordings"
    server = processes.Server(tmp_path, f"--record={folder}").start()
    trainer = train(server, "--epochs=400")
    processes.wait_for(
        "a recording",
        lambda: any(path.stat().st_size > 200_000 for path in folder.glob("*.fkrec")),
    )
    server.kill()
    trainer.kill()
    trainer.wait()

    replayed = processes.run("firekeeper", "replay", the_recording(folder))

    differences = [line for line in replayed.stdout.splitlines() if line.startswith("entry ")]
    assert "last step" in replayed.stdout, replayed.stderr
    # The last decision may have been taken and not written.
    assert all("was not recorded" in line for line in differences), replayed.stdout


def test_what_is_no_recording_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello, world")

    replayed = processes.run("firekeeper", "replay", str(path))

    assert replayed.returncode == 2
    assert "notes.txt is no recording" in replayed.stderr
