"""Fixtures of the tests of the page: running servers, and a browser for all of them."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

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


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["browser.Browser"]:
    """One for all tests: it takes seconds to start."""
    with browser.chromium(tmp_path_factory.mktemp("chromium")) as window:
        yield window


@pytest.fixture
def window(chromium: "browser.Browser") -> Iterator["browser.Browser"]:
    """A browser that complained of nothing when the test is over."""
    chromium.open("about:blank")
    chromium.is_dark(False)
    chromium.is_phone(False)
    chromium.complaints()
    chromium.requested()
    yield chromium
    assert chromium.complaints() == []


import browser  # noqa: E402  (after the stubs' folder is known)
