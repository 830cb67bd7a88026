"""Trainings of the handwritten digits that go on until a test has seen enough."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import processes

NETWORK = ("--hidden=64,64", "--optimizer=adam", "--quiet")
KILLING = "--learning-rate=0.05"
# Longer than any test: the trainer is stopped when enough was seen.
FOREVER = "--epochs=1000000"


@contextlib.contextmanager
def training(server: processes.Server, *flags: str, run: str = "digits") -> Iterator[None]:
    """A trainer that is killed at the end, so that its run does not say goodbye."""
    trainer = subprocess.Popen(
        [
            str(processes.binary("digits_trainer")),
            f"--endpoint={server.endpoint}",
            f"--run={run}",
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
