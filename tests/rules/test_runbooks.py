"""What a runbook tells to type is a command that there is."""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

RUNBOOKS = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy" / "runbooks"
COMMAND = re.compile(r"^    (firekeeper .*?)(?:\s+#.*)?$|`(firekeeper [^`]*)`", re.MULTILINE)
NO_ANSWER = 3


def commands() -> list[str]:
    found = set()
    for runbook in RUNBOOKS.glob("*.md"):
        for in_block, in_text in COMMAND.findall(runbook.read_text()):
            found.add(in_block or in_text)
    return sorted(found)


@pytest.mark.parametrize("command", commands())
def test_it_is_understood(command: str) -> None:
    program = pathlib.Path(os.environ["FIREKEEPER_BIN"]) / "firekeeper"
    asked = subprocess.run(
        # Nobody listens there: only what is understood gets as far as asking.
        [program, "--endpoint=127.0.0.1:1", "--timeout=0.2", *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert asked.returncode == NO_ANSWER, asked.stderr


def test_there_are_commands() -> None:
    assert len(commands()) > 10
