"""One token for all processes of one life of a training job."""

from __future__ import annotations

import os
import secrets
from typing import Mapping

_MAX_TOKEN_BYTES = 255
_NAMES = (
    "TORCHELASTIC_RUN_ID",
    "TORCHELASTIC_RESTART_COUNT",
    "SLURM_JOB_ID",
    "SLURM_RESTART_COUNT",
)


def launch_token_from_environment(environ: Mapping[str, str]) -> str:
    """The token that the environment implies, the same as that of the C++ client.

    TORCHELASTIC_RUN_ID, TORCHELASTIC_RESTART_COUNT, SLURM_JOB_ID, SLURM_RESTART_COUNT and
    MASTER_ADDR:MASTER_PORT as far as they are set and not empty, as ``name=value`` joined by
    commas; shortened, with a hash of the whole, to 255 bytes. Empty where none is set.
    """
    parts = [f"{name}={environ[name]}" for name in _NAMES if environ.get(name)]
    address = environ.get("MASTER_ADDR", "")
    if address:
        parts.append(f"MASTER={address}:{environ.get('MASTER_PORT', '')}")
    return _printable(os.fsencode(",".join(parts)))


def random_launch_token() -> str:
    """A token that no other process has."""
    return secrets.token_hex(16)


def random_instance_id() -> int:
    """64 random bits, not 0."""
    return secrets.randbelow(2**64 - 1) + 1


def _printable(text: bytes) -> str:
    """``text`` where it may travel; else made so, with a hash that keeps texts apart."""
    printable = bytes(byte if 0x20 <= byte <= 0x7E else ord("_") for byte in text)
    if printable == text and len(text) <= _MAX_TOKEN_BYTES:
        return text.decode("ascii")
    suffix = f"#{_stable_hash(text):016x}"
    return printable[: _MAX_TOKEN_BYTES - len(suffix)].decode("ascii") + suffix


def _stable_hash(text: bytes) -> int:
    """FNV-1a (Fowler, Noll, Vo), 64 bits: the same in every process, unlike hash()."""
    value = 14695981039346656037
    for byte in text:
        value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return value
