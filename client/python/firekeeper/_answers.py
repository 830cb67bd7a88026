"""Turns the messages of the protocol into plain Python values, and words into enums."""

from __future__ import annotations

import datetime
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

TIMESTAMP = "google.protobuf.Timestamp"
NO_STEP = -1


def word_of(enum: Any, number: int) -> Optional[str]:
    """Lower-case word of an enum's value: ``born_dead``; None where it says nothing.

    A value that this version does not know, of a newer server, is its number in digits.
    """
    if number == 0:
        return None
    value = enum.values_by_number.get(number)
    return str(number) if value is None else value.name[len(_prefix(enum)) :].lower()


def number_of(enum: Any, word: str) -> int:
    """Number of an enum's value, the inverse of ``word_of``.

    Raises:
        ValueError: there is no such word; the message lists those that there are.
    """
    value = enum.values_by_name.get(_prefix(enum) + word.upper()) if word.islower() else None
    if value is None or value.number == 0:
        words = [word_of(enum, each.number) for each in enum.values if each.number != 0]
        raise ValueError(f"{word!r} is none of {', '.join(map(str, words))}")
    return int(value.number)


def _prefix(enum: Any) -> str:
    """What all values of an enum begin with: ``HEALTH_STATE_``."""
    zero: str = enum.values_by_number[0].name
    return zero[: -len("UNSPECIFIED")]


def as_dict(message: Any) -> Dict[str, Any]:
    """Every field of a message by its name in the protocol.

    Enums become words, timestamps aware datetimes in UTC, messages dicts, repeated fields
    lists and maps dicts. What is absent is None.
    """
    return {field.name: _value_of(message, field) for field in message.DESCRIPTOR.fields}


def as_dicts(messages: Iterable[Any]) -> List[Dict[str, Any]]:
    """``as_dict`` of each."""
    return [as_dict(message) for message in messages]


def _value_of(message: Any, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    convert = _converter(field)
    if field.label == field.LABEL_REPEATED:
        return [convert(each) for each in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return convert(value)


def _converter(field: Any) -> Callable[[Any], Any]:
    """Turns one value of a field into a plain one."""
    enum = field.enum_type
    if enum is not None:
        return lambda number: word_of(enum, number)
    if field.message_type is None:
        return lambda value: value
    return _moment if field.message_type.full_name == TIMESTAMP else as_dict


def _moment(timestamp: Any) -> datetime.datetime:
    moment: datetime.datetime = timestamp.ToDatetime(tzinfo=datetime.timezone.utc)
    return moment


def as_columns(descriptor: Any, messages: Sequence[Any]) -> Dict[str, Any]:
    """Every field of many messages of one type as a column with an entry a message.

    Columns are NumPy arrays where NumPy is installed, lists otherwise. Counts and steps
    are int64, an absent step -1; reals are float64, an absent one NaN; words and texts are
    str, one that says nothing is empty; repeated fields are tuples. A field of a nested
    message is a column ``outer_inner``.

    Raises:
        OverflowError: a count does not fit 63 bits.
    """
    columns: Dict[str, Any] = {}
    for field in descriptor.fields:
        if field.message_type is None:
            columns[field.name] = _column(field, messages)
            continue
        nested = [getattr(message, field.name) for message in messages]
        for name, column in as_columns(field.message_type, nested).items():
            columns[f"{field.name}_{name}"] = column
    return columns


def _column(field: Any, messages: Sequence[Any]) -> Any:
    name = field.name
    if field.label == field.LABEL_REPEATED:
        convert = _converter(field)
        return _array([tuple(map(convert, getattr(each, name))) for each in messages], "O")
    if field.enum_type is not None:
        # One look-up a value, not one a unit.
        words: Dict[int, str] = {}
        for number in {getattr(each, name) for each in messages}:
            words[number] = word_of(field.enum_type, number) or ""
        return _array([words[getattr(each, name)] for each in messages], "O")
    is_real = field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT)
    if field.has_presence:
        absent = float("nan") if is_real else NO_STEP
        values = [getattr(each, name) if each.HasField(name) else absent for each in messages]
    else:
        values = [getattr(each, name) for each in messages]
    if field.cpp_type == field.CPPTYPE_STRING:
        return _array(values, "O")
    if field.cpp_type == field.CPPTYPE_BOOL:
        return _array(values, "?")
    return _array(values, "f8" if is_real else "i8")


def _array(values: List[Any], dtype: str) -> Any:
    try:
        import numpy
    except ImportError:
        return values
    array = numpy.empty(len(values), dtype=dtype)
    # Not in one assignment: NumPy would make a table of tuples of one length.
    for index, value in enumerate(values):
        array[index] = value
    return array
