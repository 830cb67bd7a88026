"""Generates the Python stubs from proto/ and puts them on the path."""

from __future__ import annotations

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def generate() -> None:
    """Into the build folder; never committed."""
    stubs = ROOT / "build" / "e2e-stubs"
    stubs.mkdir(parents=True, exist_ok=True)
    protos = sorted((ROOT / "proto" / "firekeeper" / "v1").glob("*.proto"))
    subprocess.run(
        [
            "protoc",
            f"-I{ROOT / 'proto'}",
            f"--python_out={stubs}",
            f"--grpc_out={stubs}",
            "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin",
            *map(str, protos),
        ],
        check=True,
    )
    sys.path.insert(0, str(stubs))
