"""The keys that apps publish to have their user tokens checked with (JWKS, RFC 7517)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import jwt
import msgspec
import structlog

from parley.base.clock import Clock
from parley.base.errors import ParleyError, Unavailable
from parley.outgoing.ports import Http

log = structlog.get_logger(__name__)
KEPT_S = 600.0
AGAIN_S = 30.0
"""How soon a document is read again for a key that it did not have: keys are replaced."""
TIMEOUT_S = 5.0
LIMIT_BYTES = 256 << 10
KEYS_LIMIT = 100
_REMEMBERED = 1_000


class KeySetUnreadable(Unavailable):
    """The document could not be fetched, or is none."""


class _Document(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the last attempt to read a document left."""

    keys: tuple[jwt.PyJWK, ...]
    read_at: float
    ends_at: float
    problem: str | None = None

    def named(self, kid: str | None) -> list[jwt.PyJWK]:
        return [key for key in self.keys if kid is None or key.key_id == kid]


class KeySets:
    """The documents of all apps, by address; each is read by one caller at a time, for all who wait."""

    def __init__(self, http: Http, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def keys(self, url: str, kid: str | None) -> list[jwt.PyJWK]:
        """The keys of that id, or all when a token names none.

        Raises:
            KeySetUnreadable: see there; what was read before holds for its time.
        """
        known, now = self._known.get(url), self._clock.monotonic()
        if known is not None and known.ends_at > now:
            found = known.named(kid)
            if found or known.read_at + AGAIN_S > now:
                return found
        known = await self._read(url)
        if known.ends_at <= self._clock.monotonic():
            raise KeySetUnreadable(known.problem or "The document is too old.")
        return known.named(kid)

    async def _read(self, url: str) -> _Known:
        before = self._known.get(url)
        async with self._locks.setdefault(url, asyncio.Lock()):
            meanwhile = self._known.get(url)
            if meanwhile is not None and meanwhile is not before:
                return meanwhile
            try:
                keys = await self._fetch(url)
            except ParleyError as failed:
                log.info("key_set_unreadable", host=urlsplit(url).hostname, reason=failed.message)
                now = self._clock.monotonic()
                known = replace(before or _Known((), now, now), read_at=now, problem=failed.message)
            else:
                now = self._clock.monotonic()
                known = _Known(keys, now, now + KEPT_S)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[url] = known
            return known

    async def _fetch(self, url: str) -> tuple[jwt.PyJWK, ...]:
        answer = await self._http.request(
            "GET",
            url,
            headers={"Accept": "application/json"},
            timeout_s=TIMEOUT_S,
            max_body_bytes=LIMIT_BYTES,
        )
        if answer.status != 200 or not answer.is_complete:
            raise KeySetUnreadable(f"The document was answered with status {answer.status}, or is too large.")
        try:
            found = msgspec.json.decode(answer.body, type=_Document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as malformed:
            raise KeySetUnreadable("The document is not a JSON object with keys.") from malformed
        keys = [key for each in found.keys[:KEYS_LIMIT] if (key := _usable(each)) is not None]
        if not keys:
            raise KeySetUnreadable("The document has no key that can be used.")
        return tuple(keys)


def _usable(described: dict[str, Any]) -> jwt.PyJWK | None:
    """A key; None for one of a kind that nobody here knows."""
    try:
        return jwt.PyJWK(described)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
