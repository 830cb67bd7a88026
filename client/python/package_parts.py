"""What the package holds beside its own source: version, stubs and the library.

``setup.py`` puts these parts into a wheel, ``stage.py`` into a folder to import from.
Nothing generated ever lies in the source tree.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import warnings
from typing import Optional

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARY_NAME = "libfirekeeper_reduce.so"
LIBRARY_VARIABLE = "FIREKEEPER_REDUCE_LIBRARY"
TAIL_CHARACTERS = 2000


def project_version() -> str:
    """The version that the top CMakeLists.txt names; one for the whole project.

    Raises:
        ValueError: there is none.
    """
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.search(r"project\(\s*firekeeper\s+VERSION\s+([0-9.]+)", text)
    if found is None:
        raise ValueError("CMakeLists.txt names no version of project firekeeper")
    return found.group(1)


def tool(name: str) -> str:
    """Path of a program of the build.

    Raises:
        FileNotFoundError: it is not installed.
    """
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed: deploy/install-packages python")
    return path


def generate(target: pathlib.Path) -> None:
    """Makes the parts of the package that come from elsewhere in the project.

    Writes ``target/firekeeper/v1``, the classes and stubs of the protocol with their
    types, and ``target/firekeeper/_version.py``.

    Raises:
        FileNotFoundError: protoc or its plugin for gRPC is not installed.
        subprocess.CalledProcessError: protoc refuses the protocol.
    """
    stubs = target / "firekeeper" / "v1"
    stubs.mkdir(parents=True, exist_ok=True)
    protocol = ROOT / "proto"
    subprocess.run(
        [
            tool("protoc"),
            f"--proto_path={protocol}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            f"--grpc_out={target}",
            f"--plugin=protoc-gen-grpc={tool('grpc_python_plugin')}",
            *sorted(map(str, (protocol / "firekeeper" / "v1").glob("*.proto"))),
        ],
        check=True,
    )
    (stubs / "__init__.py").write_text('"""The protocol, generated from proto/."""\n')
    (target / "firekeeper" / "_version.py").write_text(
        f'"""Generated: the version of the project."""\n\nVERSION = "{project_version()}"\n'
    )


def reduce_library() -> Optional[pathlib.Path]:
    """The compiled reduction for the package, built if need be.

    The environment's FIREKEEPER_REDUCE_LIBRARY decides where it is set; empty, it says to
    leave the library out. Else CMake builds it in build/wheel. None, with a warning, where
    that cannot be done: PyTorch reduces then.

    Raises:
        FileNotFoundError: FIREKEEPER_REDUCE_LIBRARY names no file.
    """
    named = os.environ.get(LIBRARY_VARIABLE)
    if named is None:
        return build_library()
    if not named:
        return None
    library = pathlib.Path(named).resolve()
    if not library.is_file():
        raise FileNotFoundError(f"{LIBRARY_VARIABLE} names {named}, which is no file")
    return library


def build_library() -> Optional[pathlib.Path]:
    """Builds the library with CMake in build/wheel; None, with a warning, if it cannot be."""
    cmake = shutil.which("cmake")
    if cmake is None:
        warnings.warn(f"no cmake: the package goes without {LIBRARY_NAME}", stacklevel=2)
        return None
    folder = ROOT / "build" / "wheel"
    parts = ("-DFIREKEEPER_BUILD_SERVER=OFF", "-DFIREKEEPER_BUILD_CLIENT=OFF")
    configure = [cmake, "--preset", "release", "-B", str(folder), *parts]
    build = [cmake, "--build", str(folder), "--target", "firekeeper_reduce"]
    for command in (configure, build):
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            check=False,
        )
        if done.returncode != 0:
            warnings.warn(
                f"the package goes without {LIBRARY_NAME}: {' '.join(command)} failed:\n"
                f"{done.stdout[-TAIL_CHARACTERS:]}",
                stacklevel=2,
            )
            return None
    return folder / "lib" / LIBRARY_NAME
