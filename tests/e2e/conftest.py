"""Fixtures of the end-to-end tests: generated stubs and running servers."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import processes  # noqa: E402  (found through the path set above)
import stubs  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module imports the stubs."""
    del config
    stubs.generate()


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[processes.Server]:
    """A firekeeperd with its defaults."""
    with processes.running(tmp_path) as started:
        yield started
