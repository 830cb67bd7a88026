"""One token for all processes of one life of a training job."""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import socket
from typing import Mapping

_logger = logging.getLogger("firekeeper")

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


def launch_token(environ: Mapping[str, str], source_count: int) -> str:
    """The token of this life of the job.

    What the environment implies, where that names one life: a run id of torchrun's or a job
    of Slurm's. A port that every life uses does not; processes of one parent on one machine
    (torchrun's agent, multiprocessing) then know each other by that parent. A process alone
    draws one. What is left is logged: nothing tells its lives apart.
    """
    named = launch_token_from_environment(environ)
    run_id = environ.get("TORCHELASTIC_RUN_ID", "")
    if run_id not in ("", "none") or environ.get("SLURM_JOB_ID"):
        return named
    if _has_one_parent(environ):
        return _printable(os.fsencode(f"{named},parent={_parent()}"))
    if source_count == 1:
        return random_launch_token()
    if named:
        text = "a restarted job is taken for the one before (%s)"
        _logger.warning("%s: set FIREKEEPER_LAUNCH_TOKEN or torchrun's --rdzv_id", text % named)
        return named
    _logger.warning(
        "nothing tells that the %d processes are one job: set FIREKEEPER_LAUNCH_TOKEN", source_count
    )
    return random_launch_token()


def _has_one_parent(environ: Mapping[str, str]) -> bool:
    """All processes of the job are children of this one's parent."""
    local = environ.get("LOCAL_WORLD_SIZE")
    if local:
        return local == environ.get("WORLD_SIZE")
    address = environ.get("MASTER_ADDR", "")
    on_this_machine = address in ("", "localhost", "127.0.0.1", "::1")
    return on_this_machine and multiprocessing.parent_process() is not None


def _parent() -> str:
    """Machine, number and start of the parent process: no other has had all three."""
    number = os.getppid()
    try:
        with open(f"/proc/{number}/stat", encoding="ascii", errors="replace") as file:
            # The name, in parentheses, may hold blanks; the start is the 20th after it.
            started = file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        started = ""
    return f"{socket.gethostname()}:{number}:{started}"


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
