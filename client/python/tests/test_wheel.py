"""The wheel, built and installed as a user does it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import zipfile
from typing import Any, Dict

import package_parts
import pytest

TIMEOUT_SECONDS = 300
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
PROBE = """
import importlib.metadata, json, pathlib
import firekeeper._client
from firekeeper.v1 import diagnostics_pb2_grpc, ingest_pb2
package = pathlib.Path(firekeeper._client.__file__).parent
print(json.dumps({
    "files": sorted(path.name for path in package.iterdir()),
    "folder": str(package),
    "stub": diagnostics_pb2_grpc.DiagnosticsServiceStub.__name__,
    "message": ingest_pb2.Snapshot.DESCRIPTOR.full_name,
    "version": importlib.metadata.version("firekeeper"),
}))
"""


def run(*command: object, cwd: pathlib.Path, library: str) -> str:
    """What a command prints, run apart from the staged package."""
    environment = {**os.environ, package_parts.LIBRARY_VARIABLE: library}
    del environment["PYTHONPATH"]
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build_wheel(folder: pathlib.Path, library: str) -> pathlib.Path:
    """The wheel in ``folder``, built with ``library``, or without one where that is empty."""
    source = package_parts.HERE
    pip = (sys.executable, "-m", "pip", "wheel", *OFFLINE, "--wheel-dir", folder)
    run(*pip, source, cwd=folder, library=library)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install_and_probe(folder: pathlib.Path, wheel: pathlib.Path) -> Dict[str, Any]:
    """What a clean environment finds of the package once the wheel is installed."""
    run(sys.executable, "-m", "venv", "--system-site-packages", "venv", cwd=folder, library="")
    python = folder / "venv" / "bin" / "python"
    # With its dependencies this time: they must be named as Debian's packages name themselves.
    options = [option for option in OFFLINE if option != "--no-deps"]
    run(python, "-m", "pip", "install", *options, wheel, cwd=folder, library="")
    found: Dict[str, Any] = json.loads(run(python, "-c", PROBE, cwd=folder, library=""))
    return found


@pytest.fixture(scope="module")
def plain_wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The wheel without the library."""
    return build_wheel(tmp_path_factory.mktemp("plain"), library="")


def test_a_clean_environment_imports_the_installed_wheel(
    tmp_path: pathlib.Path, plain_wheel: pathlib.Path
) -> None:
    found = install_and_probe(tmp_path, plain_wheel)

    assert found["folder"].startswith(str(tmp_path))
    assert found["version"] == package_parts.project_version()
    assert found["stub"] == "DiagnosticsServiceStub"
    assert found["message"] == "firekeeper.v1.Snapshot"
    assert "py.typed" in found["files"]


def test_a_wheel_without_the_library_is_for_every_platform(plain_wheel: pathlib.Path) -> None:
    assert plain_wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(plain_wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".so")]


def test_building_leaves_nothing_in_the_source(plain_wheel: pathlib.Path) -> None:
    assert plain_wheel.is_file()
    left = {"build", "dist", "firekeeper.egg-info"}
    assert not left & {path.name for path in package_parts.HERE.iterdir()}
    assert not (package_parts.HERE / "firekeeper" / "v1").exists()


def test_a_wheel_with_the_library_is_for_this_platform(
    tmp_path: pathlib.Path, reduce_library: pathlib.Path
) -> None:
    wheel = build_wheel(tmp_path, library=str(reduce_library))

    assert "-py3-none-linux_" in wheel.name
    found = install_and_probe(tmp_path, wheel)
    assert package_parts.LIBRARY_NAME in found["files"]


def test_a_wheel_is_refused_a_library_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(AssertionError, match="names .*missing.so, which is no file"):
        build_wheel(tmp_path, library=str(tmp_path / "missing.so"))


def put_cmake(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Makes a shell script the cmake that is found, and ``folder`` the project."""
    cmake = folder / "cmake"
    cmake.write_text(f"#!/bin/sh\n{script}\n")
    cmake.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(package_parts, "ROOT", folder)
    monkeypatch.delenv(package_parts.LIBRARY_VARIABLE, raising=False)


def test_the_library_is_built_where_none_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_cmake(tmp_path, monkeypatch, 'echo "$@" >>calls')

    library = package_parts.reduce_library()

    assert library == tmp_path / "build" / "wheel" / "lib" / package_parts.LIBRARY_NAME
    configure, build = (tmp_path / "calls").read_text().splitlines()
    assert configure.startswith("--preset release -B ")
    assert build == f"--build {tmp_path}/build/wheel --target firekeeper_reduce"


def test_a_build_that_fails_is_a_warning_with_its_last_words(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_cmake(tmp_path, monkeypatch, "echo no compiler; exit 1")

    with pytest.warns(UserWarning, match="goes without libfirekeeper_reduce.so(.|\n)*no compiler"):
        assert package_parts.reduce_library() is None
