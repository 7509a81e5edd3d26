"""Objects of every class of events, actions and notices, made from what their fields are declared as."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Any

from moq_mls import actions, events, keys, notices
from moq_mls.values import PIN_LEN, SecretBytes

#: Fields whose bytes have one length.
LENGTHS = {"pin": PIN_LEN, "prev": PIN_LEN, "service_key_hash": 32, "commit_hash": 32}
FAMILIES = {
    "events": typing.get_args(events.Event),
    "actions": typing.get_args(actions.Action),
    "notices": typing.get_args(notices.Notice),
    "keys": typing.get_args(keys.KeysNotice),
}


def values_of(kind: Any, name: str) -> Iterator[Any]:
    """Yields values for a field: each code, both booleans, the ends of numbers, and `None` where it may be absent."""
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        for one in typing.get_args(kind):
            if one is type(None):
                yield None
            else:
                yield from values_of(one, name)
    elif origin is tuple:
        (one, _) = typing.get_args(kind)
        yield ()
        yield tuple(values_of(one, name))
    elif kind is SecretBytes:
        yield SecretBytes(name.encode())
    elif kind is bytes:
        yield name.encode().ljust(LENGTHS.get(name, 3), b"\x01")[: LENGTHS.get(name, 255)]
    elif kind is bool:
        yield from (False, True)
    elif isinstance(kind, type) and issubclass(kind, IntEnum):
        yield from kind
    elif kind is int:
        narrow = {"leaf_index": 32, "times": 32, "kind": 16}
        yield from (0, 2 ** narrow.get(name, 64) - 1)
    elif is_dataclass(kind):
        yield from objects_of(typing.cast(type, kind))
    else:
        raise AssertionError(f"no value for {name}: {kind}")


def objects_of(kind: type) -> Iterator[Any]:
    """Yields objects of a class in which each value of each field is somewhere."""
    declared = typing.get_type_hints(kind)
    columns = [list(values_of(declared[field.name], field.name)) for field in fields(kind)]
    for row in range(max(map(len, columns), default=1)):
        yield kind(*(column[row % len(column)] for column in columns))
