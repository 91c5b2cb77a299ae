"""Channel authorizations that a customer's server signs (`realtime-block.md` 13.3).

The construction is that of Pusher Channels: HMAC-SHA256 with a secret key over the socket's id, the channel
and the channel data, so an authorization is of no use on another socket.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from parley.base.errors import NotAllowed
from parley.base.ids import CredentialId

_EXACT = 1 << 53
"""Integers up to here are themselves in JavaScript."""
_text = json.JSONEncoder(ensure_ascii=False).encode


class BadSignature(NotAllowed):
    """An authorization that is malformed, or not for this socket, channel, data and app."""


def canonical(data: Any) -> str:
    """Decoded JSON as RFC 8785 has it: no spaces, members and numbers as JavaScript sorts and writes them.

    Raises:
        OverflowError: an integer that is no double.
        RecursionError: too deep.
    """
    if isinstance(data, dict):
        members = sorted(data.items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_text(name)}:{canonical(value)}" for name, value in members) + "}"
    if isinstance(data, list):
        return "[" + ",".join(map(canonical, data)) + "]"
    if isinstance(data, float) or (isinstance(data, int) and abs(data) > _EXACT):
        return _number(float(data))
    return _text(data)


def _number(value: float) -> str:
    """ECMAScript's Number::toString: its shortest digits, and an exponent only far from the point."""
    if not value:
        return "0"
    exact = Decimal(repr(value)).as_tuple()
    assert isinstance(exact.exponent, int)
    all_digits = "".join(map(str, exact.digits))
    digits, point = all_digits.rstrip("0"), len(all_digits) + exact.exponent
    sign = "-" if exact.sign else ""
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if digits[1:] else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+}"


def sign(key: bytes, socket_id: str, channel: str, data_text: str | None = None) -> str:
    """The signature, as lower-case hexadecimal digits."""
    text = f"{socket_id}:{channel}" if data_text is None else f"{socket_id}:{channel}:{data_text}"
    return hmac.new(key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


def check(
    auth: str,
    channel_data: str | dict[str, Any] | None,
    *,
    app_ids: Iterable[str],
    keys: Mapping[CredentialId, bytes],
    socket_id: str,
    channel: str,
    user_id: str,
) -> tuple[dict[str, Any], CredentialId]:
    """The channel data of a valid authorization, empty without any; and the key that signed it.

    Args:
        auth: `<app id>:<signature>`.
        channel_data: what was signed with it: an object, or its text exactly as it was signed.
        app_ids: what the app may be called.
        keys: the active secret keys.
        socket_id: whose authorization it must be.
        channel: for which channel.
        user_id: whom the data may name.

    Raises:
        BadSignature: it is not.
    """
    app_id, _, signature = auth.rpartition(":")
    if app_id not in set(app_ids):
        raise BadSignature("The authorization is for another app.")
    data, text = _read(channel_data)
    given = signature.encode(errors="surrogatepass")
    # Every key is compared, so that the time tells nothing about which one it was.
    signed_by = [
        credential_id
        for credential_id, key in keys.items()
        if hmac.compare_digest(sign(key, socket_id, channel, text).encode(), given)
    ]
    if not signed_by:
        raise BadSignature("The signature of the authorization is wrong.")
    if data.get("user_id") not in (None, user_id):
        raise BadSignature("The authorization is for another user.")
    return data, signed_by[0]


def _read(channel_data: str | dict[str, Any] | None) -> tuple[dict[str, Any], str | None]:
    if channel_data is None:
        return {}, None
    if not isinstance(channel_data, str):
        try:
            return channel_data, canonical(channel_data)
        except (OverflowError, RecursionError) as strange:
            raise BadSignature("The channel data has no canonical form.") from strange
    try:
        data = json.loads(channel_data)
    except (ValueError, RecursionError) as malformed:
        raise BadSignature("The channel data is not JSON.") from malformed
    if not isinstance(data, dict):
        raise BadSignature("The channel data is not an object.")
    return data, channel_data
