"""What a Sender is started with, and what is wrong with it in itself."""

from __future__ import annotations

import dataclasses
import math
from typing import Mapping, Optional, Sequence, Set

from firekeeper._names import MAX_STEP, NAME_RULE, is_power_of_two, is_valid_name
from firekeeper._vocabulary import LayerSpec

DEFAULT_ENDPOINT = "127.0.0.1:50061"
DEFAULT_EVERY = 16
DEFAULT_RING_BYTES = 64 << 20
LEAST_RING_BYTES = 64 << 10
MAX_SOURCES = 2**32 - 1

_MAX_LABELS = 32
_MAX_VALUE_BYTES = 255


@dataclasses.dataclass(frozen=True)
class SenderOptions:
    """Where to stream, as what, and at which cost.

    Attributes:
        run: names the training job.
        endpoint: ``host:port`` of the server.
        tls: connect with TLS. Naming any of the files below switches it on, too.
        ca_cert: PEM file of the certificates to trust; empty: the system's.
        client_cert: PEM file of our certificate, for servers that ask for one.
        client_key: PEM file of its key. Both or neither.
        token: sent as "authorization: Bearer"; never logged. Without TLS anyone on the way
            can read it.
        token_file: file of the token, read anew for every stream, so that a token may
            change. ``token`` goes before.
        launch_token: equal on all processes of one life of the job, different in the next.
            Empty: found in the environment of torchrun and Slurm, else random, which fits a
            job of one process only.
        resume_step: first step that this process executes; 0 unless resumed.
        source: this process (rank), below ``source_count``.
        source_count: how many processes stream.
        labels: of the run; at most 32, values up to 255 bytes.
        remedy_of: the run that this one tries to remedy; empty: none.
        every: sampling distance in steps, a power of two.
        ring_bytes: memory for what is not yet acknowledged. When it is full the oldest goes.
        backoff_shortest_seconds: the n-th wait before a reconnect is uniform in
            [0, min(longest, shortest * 2^n)).
        backoff_longest_seconds: see there.
        exit_deadline_seconds: how long the end of the interpreter may wait for what is
            still buffered.
        disabled: nothing is collected or sent.
    """

    run: str
    endpoint: str = DEFAULT_ENDPOINT
    tls: bool = False
    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    token: str = dataclasses.field(default="", repr=False)
    token_file: str = ""
    launch_token: str = ""
    resume_step: int = 0
    source: int = 0
    source_count: int = 1
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    remedy_of: str = ""
    every: int = DEFAULT_EVERY
    ring_bytes: int = DEFAULT_RING_BYTES
    backoff_shortest_seconds: float = 0.1
    backoff_longest_seconds: float = 10.0
    exit_deadline_seconds: float = 1.0
    disabled: bool = False


def is_endpoint(text: str) -> bool:
    """Whether ``text`` may be ``host:port``. gRPC says nothing useful of a URL."""
    return bool(text.rpartition(":")[0] and text.rpartition(":")[2]) and not (
        text.startswith("http") and "://" in text
    )


def is_token(text: str) -> bool:
    """Whether a header can carry ``text``: printable ASCII without blanks."""
    return all(" " < character <= "~" for character in text)


def is_readable(path: str) -> bool:
    """Whether ``path`` is a file that can be read and is not empty."""
    try:
        with open(path, "rb") as file:
            return bool(file.read(1))
    except (OSError, ValueError):
        return False


def check_options(options: SenderOptions) -> None:
    """Checks what does not need the server to be judged.

    Raises:
        ValueError: names the option, what came and what is allowed.
    """
    _check_identity(options)
    _check_connection(options)
    _check_tuning(options)
    _check_labels(options.labels)


def check_layers(layers: Sequence[LayerSpec]) -> None:
    """The same for what is declared.

    Raises:
        ValueError: names the field, what came and what is allowed.
    """
    if not layers:
        raise ValueError("layers: got none; at least one must be declared")
    names: Set[str] = set()
    for index, layer in enumerate(layers):
        _check_layer(f"layers[{index}]", layer)
        if layer.name in names:
            raise ValueError(f"layers[{index}].name: layer {layer.name} is declared twice")
        names.add(layer.name)


def _wrong(option: str, got: object, allowed: str) -> ValueError:
    return ValueError(f"{option}: got {got!r}; allowed: {allowed}")


def _utf8_bytes(text: str) -> Optional[int]:
    """Bytes of ``text`` as UTF-8; None where it cannot be written so."""
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return None


def _is_short_text(text: str) -> bool:
    size = _utf8_bytes(text)
    return size is not None and size <= _MAX_VALUE_BYTES


def _check_identity(options: SenderOptions) -> None:
    if not is_valid_name(options.run):
        raise _wrong("run", options.run, NAME_RULE)
    if options.remedy_of and not is_valid_name(options.remedy_of):
        raise _wrong("remedy_of", options.remedy_of, NAME_RULE)
    if not _is_short_text(options.launch_token):
        raise _wrong("launch_token", options.launch_token, "up to 255 bytes of UTF-8")
    if not 0 <= options.resume_step <= MAX_STEP:
        raise _wrong("resume_step", options.resume_step, "0 to 2^53")
    if not 1 <= options.source_count <= MAX_SOURCES:
        raise _wrong("source_count", options.source_count, "1 or more")
    if not 0 <= options.source < options.source_count:
        raise _wrong(
            "source", options.source, f"0 to source_count - 1 = {options.source_count - 1}"
        )


def _check_connection(options: SenderOptions) -> None:
    if not is_endpoint(options.endpoint):
        raise _wrong("endpoint", options.endpoint, f"host:port, as {DEFAULT_ENDPOINT} is")
    if not is_token(options.token):
        raise ValueError("token: allowed: printable ASCII without blanks")
    for name in ("ca_cert", "client_cert", "client_key", "token_file"):
        path = getattr(options, name)
        if path and not is_readable(path):
            raise _wrong(name, path, "a file that can be read and is not empty")
    if bool(options.client_cert) != bool(options.client_key):
        raise ValueError("client_cert, client_key: got one of them; allowed: both or neither")


def _check_tuning(options: SenderOptions) -> None:
    if not is_power_of_two(options.every):
        raise _wrong("every", options.every, "a power of two")
    if options.ring_bytes < LEAST_RING_BYTES:
        raise _wrong("ring_bytes", options.ring_bytes, f"at least {LEAST_RING_BYTES}")
    if not 0 < options.backoff_shortest_seconds <= options.backoff_longest_seconds:
        raise _wrong(
            "backoff_shortest_seconds",
            options.backoff_shortest_seconds,
            "above 0, at most backoff_longest_seconds",
        )


def _check_labels(labels: Mapping[str, str]) -> None:
    if len(labels) > _MAX_LABELS:
        raise _wrong("labels", len(labels), f"at most {_MAX_LABELS}")
    for key, value in labels.items():
        if not is_valid_name(key):
            raise _wrong("labels", key, f"keys of {NAME_RULE}")
        if not _is_short_text(value):
            raise _wrong(f"labels[{key}]", value, "up to 255 bytes of UTF-8")


def _check_layer(field: str, layer: LayerSpec) -> None:
    if not is_valid_name(layer.name):
        raise _wrong(f"{field}.name", layer.name, NAME_RULE)
    if layer.unit_count < 1:
        raise _wrong(f"{field}.unit_count", layer.unit_count, "1 or more")
    if not math.isfinite(layer.activation.negative_slope):
        raise _wrong(
            f"{field}.activation.negative_slope", layer.activation.negative_slope, "finite"
        )
    if not (math.isfinite(layer.activation.alpha) and layer.activation.alpha >= 0):
        raise _wrong(f"{field}.activation.alpha", layer.activation.alpha, "finite, at least 0")
    for name in layer.inputs:
        if not is_valid_name(name):
            raise _wrong(f"{field}.inputs", name, NAME_RULE)
    if layer.data_shards and not 0 <= layer.data_shard < layer.data_shards:
        raise _wrong(f"{field}.data_shard", layer.data_shard, f"below {layer.data_shards}")
    if layer.unit_range is not None:
        first, count = layer.unit_range
        if not (0 <= first and 1 <= count and first + count <= layer.unit_count):
            allowed = f"(first, count) within {layer.unit_count} units"
            raise _wrong(f"{field}.unit_range", layer.unit_range, allowed)
