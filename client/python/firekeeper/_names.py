"""What a run, layer, label key or scalar may be called, and which steps there are."""

from __future__ import annotations

import re

MAX_STEP = 2**53
NAME_RULE = "1 to 255 letters, digits or _.:/@+=-, without .. and //"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+=-]{0,254}")


def is_valid_name(name: str) -> bool:
    """Whether ``name`` matches the name pattern of this version of the protocol."""
    return _NAME.fullmatch(name) is not None and ".." not in name and "//" not in name


def is_power_of_two(number: int) -> bool:
    """Whether ``number`` is 1, 2, 4, …"""
    return number > 0 and number & (number - 1) == 0
