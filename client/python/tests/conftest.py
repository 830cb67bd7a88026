"""What the tests of the Python client share: a staged package and real servers."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import sys
import tempfile
from typing import Iterator, Optional

import pytest

PYTHON_CLIENT = pathlib.Path(__file__).resolve().parents[1]
ROOT = PYTHON_CLIENT.parents[1]
STAGED = pathlib.Path(tempfile.mkdtemp(prefix="firekeeper-staged-"))

os.environ.setdefault("FIREKEEPER_BIN", str(ROOT / "build" / "dev" / "bin"))
os.environ.setdefault("FIREKEEPER_DIGITS", str(ROOT / "build" / "digits.csv.gz"))
# What the shell of a developer says must not reach the tests.
for variable in ("ENDPOINT", "TOKEN", "CA_CERT", "CLIENT_CERT", "CLIENT_KEY"):
    os.environ.pop(f"FIREKEEPER_{variable}", None)

sys.path.insert(0, str(PYTHON_CLIENT))
# Last: only what is named nowhere else comes from there.
sys.path.append(str(ROOT / "tests" / "e2e"))

import package_parts  # noqa: E402  (found through the path set above)
import processes  # noqa: E402
import stage  # noqa: E402


def built_library() -> Optional[pathlib.Path]:
    """The compiled reduction of the build under test; None: it was not built."""
    named = os.environ.get(package_parts.LIBRARY_VARIABLE)
    path = pathlib.Path(named or ROOT / "build" / "dev" / "lib" / package_parts.LIBRARY_NAME)
    return path if path.is_file() else None


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module imports the package, in this process or another."""
    del config
    # A job that a shell runs in the background ignores interrupts, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stage.stage(STAGED, built_library())
    # The folder of the source also holds a "firekeeper", one without the protocol.
    sys.path.remove(str(PYTHON_CLIENT))
    sys.path.insert(0, str(STAGED))
    paths = [str(STAGED), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes what was staged."""
    del config
    shutil.rmtree(STAGED, ignore_errors=True)


@pytest.fixture(scope="session")
def reduce_library() -> pathlib.Path:
    """The compiled reduction; without it there is nothing to test."""
    library = built_library()
    if library is None:
        pytest.skip("libfirekeeper_reduce.so is not built")
    return library


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[processes.Server]:
    """A firekeeperd with its defaults."""
    with processes.running(tmp_path) as started:
        yield started
