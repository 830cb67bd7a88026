"""Fixtures of the fault tests: the helpers and stubs of the end-to-end tests."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable, Iterator

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import stubs  # noqa: E402  (found through the path set above)


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module imports the stubs."""
    del config
    stubs.generate()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of the campaign to run."""
    parser.addoption("--times", type=int, default=1, help="how often to do what a test does")
    parser.addoption("--seed", type=int, default=1, help="of everything that is random")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Of everything that is random in a test."""
    value: int = request.config.getoption("--seed")
    return value


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How often to do what a test does."""
    value: int = request.config.getoption("--times")
    return value


@pytest.fixture
def met(request: pytest.FixtureRequest) -> Iterator[Callable[[int], None]]:
    """Tells the campaign how many faults a test has got over."""
    counts: list[int] = []
    yield counts.append
    if counts:
        # record_property() does that, too, and warns of it in every run of the suite.
        request.node.user_properties.append(("faults", sum(counts)))
