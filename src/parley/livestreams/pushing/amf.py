"""Values of RTMP's commands: Action Message Format 0 (AMF 0 specification, sections 2 and 3)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

_DOUBLE = struct.Struct(">d")
_END = b"\0\0\x09"
_DEEPEST = 8


def encode(*values: object) -> bytes:
    """Texts, numbers, None, and mappings of them."""
    return b"".join(_encoded(value) for value in values)


def _encoded(value: object) -> bytes:
    match value:
        case None:
            return b"\x05"
        case bool():
            return b"\x01" + bytes([value])
        case int() | float():
            return b"\x00" + _DOUBLE.pack(value)
        case str():
            return b"\x02" + _text(value)
        case Mapping():
            return b"\x03" + b"".join(_text(str(k)) + _encoded(v) for k, v in value.items()) + _END
    raise TypeError(f"{type(value).__name__} has no form in AMF 0")


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def decode(data: bytes) -> list[Any]:
    """Every value; dates are numbers.

    Raises:
        ValueError: it is none, or of a kind that commands have no use for.
    """
    found, at = [], 0
    while at < len(data):
        value, at = _decoded(data, at, 0)
        found.append(value)
    return found


def _decoded(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise ValueError("too deep")
    kind, at = _part(data, at, 1)
    match kind[0]:
        case 0x00:
            number, at = _part(data, at, 8)
            return _DOUBLE.unpack(number)[0], at
        case 0x01:
            flag, at = _part(data, at, 1)
            return bool(flag[0]), at
        case 0x02:
            return _sized(data, at, 2)
        case 0x0C:
            return _sized(data, at, 4)
        case 0x05 | 0x06:
            return None, at
        case 0x03:
            return _members(data, at, depth)
        case 0x08:
            return _members(data, at + 4, depth)
        case 0x0A:
            count, at = _part(data, at, 4)
            values = []
            for _ in range(int.from_bytes(count, "big")):
                value, at = _decoded(data, at, depth + 1)
                values.append(value)
            return values, at
        case 0x0B:
            date, at = _part(data, at, 10)
            return _DOUBLE.unpack(date[:8])[0], at
    raise ValueError(f"unknown kind {kind[0]}")


def _members(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while data[at : at + 3] != _END:
        name, at = _sized(data, at, 2)
        found[name], at = _decoded(data, at, depth + 1)
    return found, at + 3


def _sized(data: bytes, at: int, width: int) -> tuple[str, int]:
    size, at = _part(data, at, width)
    text, at = _part(data, at, int.from_bytes(size, "big"))
    return text.decode("utf-8", "replace"), at


def _part(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise ValueError("cut off")
    return data[at : at + size], at + size
