"""What a run, layer, label key or scalar may be called, and which steps there are."""

from __future__ import annotations

import re

MAX_STEP = 2**53
NAME_RULE = "1 to 255 letters, digits or _.:/@+=-, without .. and //"

# Of a module's path: a call index may follow.
_LONGEST_PATH = 240

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+=-]{0,254}")


def is_valid_name(name: str) -> bool:
    """Whether ``name`` matches the name pattern of this version of the protocol."""
    return _NAME.fullmatch(name) is not None and ".." not in name and "//" not in name


def valid_name(name: str) -> str:
    """``name`` with an underscore for each character that is not allowed, shortened."""
    allowed = re.sub(r"[^A-Za-z0-9_.:/@+=-]|(?<=[.])[.]|(?<=/)/", "_", name)
    return re.sub(r"^[^A-Za-z0-9_]", "_", allowed)[:_LONGEST_PATH]


def is_power_of_two(number: int) -> bool:
    """Whether ``number`` is 1, 2, 4, …"""
    return number > 0 and number & (number - 1) == 0
