"""The modules of the page that need no document, by Node's own runner."""

from __future__ import annotations

import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent


def test_what_the_page_works_out() -> None:
    ended = subprocess.run(
        ["node", "--test", str(HERE / "model.test.js")],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "# pass 0" not in ended.stdout, ended.stdout
