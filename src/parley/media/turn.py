"""ICE servers for browsers, with credentials that expire.

The credential scheme is that of draft-uberti-behave-turn-rest: the user name starts with the time of
expiry and the password is its HMAC under a secret that only we and the relay know. So the relay needs
no account database, and a leaked credential is worth little.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from parley.base.errors import Invalid

_STUN_URL = re.compile(r"stuns?:[A-Za-z0-9.\[\]:_-]+")  # RFC 7064
_TURN_URL = re.compile(r"turns?:[A-Za-z0-9.\[\]:_-]+(\?transport=(udp|tcp))?")  # RFC 7065
_USER = re.compile(r"[A-Za-z0-9_.@-]{1,128}")

DEFAULT_LIFETIME = timedelta(hours=12)
"""Longer than a meeting: a browser refreshes its allocation with the credential it began with."""


@dataclass(frozen=True, slots=True)
class IceOptions:
    """Which servers browsers are told of."""

    urls: tuple[str, ...] = ()
    """`stun:`, `stuns:`, `turn:` or `turns:` URLs."""
    secret: str = field(default="", repr=False)
    """Shared with the relay (coturn: static-auth-secret); needed as soon as there is a TURN URL."""
    lifetime: timedelta = DEFAULT_LIFETIME

    def __post_init__(self) -> None:
        for url in self.urls:
            if not (_STUN_URL.fullmatch(url) or _TURN_URL.fullmatch(url)):
                raise Invalid(f"{url!r} is not a stun: or turn: URL.", field="urls")
            if url.startswith("turn") and not self.secret:
                raise Invalid("TURN servers need the secret that is shared with them.", field="secret")
        if self.lifetime <= timedelta(0):
            raise Invalid("The lifetime of credentials must be positive.", field="lifetime")


@dataclass(frozen=True, slots=True)
class IceServer:
    """One entry of RTCConfiguration.iceServers."""

    urls: Sequence[str]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


def turn_credential(secret: str, user: str, expires_at: datetime) -> tuple[str, str]:
    """User name and password for a relay, good until that time.

    Raises:
        Invalid: the user's name has other characters than letters, digits and `_.@-`.
    """
    if not _USER.fullmatch(user):
        raise Invalid("This name cannot be used for a relay credential.", field="user")
    username = f"{int(expires_at.timestamp())}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode("ascii")


def ice_servers(options: IceOptions, user: str, now: datetime) -> list[IceServer]:
    """The servers for one user; an empty list if none are configured."""
    stun = [url for url in options.urls if url.startswith("stun")]
    turn = [url for url in options.urls if url.startswith("turn")]
    servers = [IceServer(stun)] if stun else []
    if turn:
        username, credential = turn_credential(options.secret, user, now + options.lifetime)
        servers.append(IceServer(turn, username, credential))
    return servers
