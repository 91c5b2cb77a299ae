"""Which web pages may read the answers to an app's requests (CORS, `realtime-block.md` 1.2)."""

from __future__ import annotations

import re

import msgspec

from parley.accounts.app_settings import AppSettings
from parley.accounts.scope import AppScope
from parley.base.errors import Invalid
from parley.wire.asgi import Header

SECTION = "origins"
LIMIT = 100
_ORIGIN = re.compile(r"\*|https?://[a-z0-9.\-_\[\]:]{1,255}", re.ASCII)


class OriginSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `origins`."""

    allowed_origins: list[str] | None = None
    """Like `https://app.example.com`; null (or `*` among them) for all."""


def check_origins(origins: list[str], field: str) -> None:
    """Refuse what no browser sends as the origin of a page.

    Raises:
        Invalid: names the first one.
    """
    if len(origins) > LIMIT:
        raise Invalid(f"There are at most {LIMIT} origins.", field=field)
    for place, origin in enumerate(origins):
        if not _ORIGIN.fullmatch(origin):
            raise Invalid("An origin looks like https://app.example.com.", field=f"{field}/{place}")


async def origin_headers(settings: AppSettings | None, scope: AppScope, origin: str) -> list[Header]:
    """What tells a browser whether a page of that origin may read the answer; nothing where any may.

    An answer with `vary` and without the origin is for no page of it. Questions before a request (`OPTIONS`)
    carry no key, so they are answered alike for all.
    """
    if settings is None or not origin:
        return []
    allowed = (await settings.get(scope, SECTION, OriginSettings)).allowed_origins
    if allowed is None or "*" in allowed:
        return []
    vary = (b"vary", b"Origin")
    return [(b"access-control-allow-origin", origin.encode("latin-1")), vary] if origin in allowed else [vary]
