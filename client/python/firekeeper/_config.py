"""Options from arguments and the environment, by the rules of OpenTelemetry.

An argument goes before its variable, a variable before the default. A variable that is empty
is unset. One that cannot be used is warned of once, and then is unset as well: a training must
not end because of a typing error in a job script. An argument that cannot be used raises.
"""

from __future__ import annotations

import logging
import os
from typing import Any, Callable, Dict, Mapping, Optional, Set, Tuple, TypeVar

from firekeeper import _options
from firekeeper._names import MAX_STEP, NAME_RULE, is_power_of_two, is_valid_name
from firekeeper._options import SenderOptions

T = TypeVar("T")

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_MAX_LAUNCH_TOKEN_BYTES = 255

_logger = logging.getLogger("firekeeper")
_warned: Set[Tuple[str, str]] = set()  # variables and what they said


class Environment:
    """Reads variables, each as what it has to be.

    Args:
        variables: the environment.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(
        self,
        name: str,
        is_allowed: Callable[[str], bool],
        allowed: str,
        *,
        is_secret: bool = False,
    ) -> Optional[str]:
        """The value of a variable; None: unset, or refused with a warning.

        Args:
            name: of the variable.
            is_allowed: what it has to be.
            allowed: the same in words.
            is_secret: the warning does not show the value.
        """
        return self._parsed(
            name, lambda value: value if is_allowed(value) else None, allowed, is_secret
        )

    def boolean(self, name: str) -> Optional[bool]:
        """The same for true, false, 1 and 0 in either case."""
        return self._parsed(name, lambda value: _BOOLEANS.get(value.lower()), "true, false, 1, 0")

    def integer(self, name: str, is_allowed: Callable[[int], bool], allowed: str) -> Optional[int]:
        """The same for a whole number in decimal digits."""

        def parse(value: str) -> Optional[int]:
            # Digits beyond ASCII and underscores are numbers to int() only.
            is_number = value.isascii() and value.isdecimal()
            return int(value) if is_number and is_allowed(int(value)) else None

        return self._parsed(name, parse, allowed)

    def _parsed(
        self,
        name: str,
        parse: Callable[[str], Optional[T]],
        allowed: str,
        is_secret: bool = False,
    ) -> Optional[T]:
        value = self._variables.get(name, "").strip()
        if not value:
            return None
        parsed = parse(value)
        if parsed is None:
            warn_once(name, "a value not shown here" if is_secret else value, allowed)
        return parsed


def warn_once(name: str, value: str, allowed: str) -> None:
    """Warns that variable ``name`` is not used, unless it was with the same value."""
    if (name, value) not in _warned:
        _warned.add((name, value))
        _logger.warning("%s=%s is not used; allowed: %s", name, value, allowed)


def sender_options(
    *, environ: Optional[Mapping[str, str]] = None, **arguments: Any
) -> SenderOptions:
    """Options of a sender.

    Reads FIREKEEPER_RUN, _ENDPOINT, _TOKEN, _TOKEN_FILE, _CA_CERT, _CLIENT_CERT, _CLIENT_KEY,
    _LAUNCH_TOKEN, _EVERY, _RING_BYTES, _RESUME_STEP, _SOURCE, _SOURCE_COUNT and _DISABLED;
    for the last but one also RANK and WORLD_SIZE, or SLURM_PROCID and SLURM_STEP_NUM_TASKS.

    Args:
        environ: the environment; None: that of the process.
        arguments: fields of SenderOptions. None: not given.

    Raises:
        ValueError: an argument cannot be used; names it, what came and what is allowed.
        TypeError: there is no such option.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    if given.get("disabled"):
        return _made({"run": ""}, given)
    found = from_environment(os.environ if environ is None else environ, given)
    options = _made({"run": "", **found}, given)
    if options.disabled:
        return options
    if not options.run:
        raise ValueError(f"run: got ''; allowed: {NAME_RULE}. FIREKEEPER_RUN is not set either")
    _options.check_options(options)
    return options


def _made(found: Mapping[str, Any], given: Mapping[str, Any]) -> SenderOptions:
    return SenderOptions(**{**found, **given})


def from_environment(environ: Mapping[str, str], given: Mapping[str, Any]) -> Dict[str, Any]:
    """Fields of SenderOptions that the environment sets; what is wrong there is warned of.

    Args:
        environ: the environment.
        given: what arguments decide; their variables are not looked at.
    """
    read = Environment(environ)
    a_file = "a file that can be read and is not empty"
    readers: Dict[str, Callable[[str], Any]] = {
        "run": lambda name: read.text(name, is_valid_name, NAME_RULE),
        "endpoint": lambda name: read.text(name, _options.is_endpoint, "host:port"),
        "token": lambda name: read.text(
            name, _options.is_token, "printable ASCII without blanks", is_secret=True
        ),
        "token_file": lambda name: read.text(name, _options.is_readable, a_file),
        "ca_cert": lambda name: read.text(name, _options.is_readable, a_file),
        "client_cert": lambda name: read.text(name, _options.is_readable, a_file),
        "client_key": lambda name: read.text(name, _options.is_readable, a_file),
        "launch_token": lambda name: read.text(name, _is_launch_token, "up to 255 bytes of UTF-8"),
        "every": lambda name: read.integer(name, is_power_of_two, "a power of two"),
        "ring_bytes": lambda name: read.integer(
            name,
            lambda size: size >= _options.LEAST_RING_BYTES,
            f"bytes, at least {_options.LEAST_RING_BYTES}",
        ),
        "resume_step": lambda name: read.integer(
            name, lambda step: step <= MAX_STEP, "a step, 0 to 2^53"
        ),
        "disabled": read.boolean,
    }
    found = {
        field: reader(f"FIREKEEPER_{field.upper()}")
        for field, reader in readers.items()
        if field not in given
    }
    if "source" not in given and "source_count" not in given:
        found["source"], found["source_count"] = _source(read)
    _drop_half_a_pair(found, given)
    return {field: value for field, value in found.items() if value is not None}


def _is_launch_token(text: str) -> bool:
    try:
        return len(text.encode("utf-8")) <= _MAX_LAUNCH_TOKEN_BYTES
    except UnicodeEncodeError:
        return False


def _source(read: Environment) -> Tuple[Optional[int], Optional[int]]:
    """(source, source_count) of the first pair of variables that is whole and fits."""
    # Of a step of srun: a script under sbatch alone is one process, whatever it asked for.
    pairs = (
        ("FIREKEEPER_SOURCE", "FIREKEEPER_SOURCE_COUNT"),
        ("RANK", "WORLD_SIZE"),
        ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    )
    for source_name, count_name in pairs:
        count = read.integer(
            count_name, lambda value: 1 <= value <= _options.MAX_SOURCES, "a number, 1 or more"
        )
        source = read.integer(source_name, lambda value: True, "a number, 0 or more")
        if source is not None and count is not None:
            if source < count:
                return source, count
            warn_once(source_name, str(source), f"below {count_name}={count}")
        elif source_name.startswith("FIREKEEPER_") and (source, count) != (None, None):
            alone = (source_name, source) if count is None else (count_name, count)
            warn_once(alone[0], str(alone[1]), f"{source_name} and {count_name} together")
    return None, None


def _drop_half_a_pair(found: Dict[str, Any], given: Mapping[str, Any]) -> None:
    """A certificate without its key is of no use, nor the other way round."""
    pair = ("client_cert", "client_key")
    present = [field for field in pair if found.get(field) or given.get(field)]
    if len(present) == 1 and found.get(present[0]):
        name = f"FIREKEEPER_{present[0].upper()}"
        warn_once(name, found[present[0]], "FIREKEEPER_CLIENT_CERT and _KEY together")
        found[present[0]] = None
