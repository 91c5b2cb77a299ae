"""Links that are their own credential: a path, an end and a signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from parley.base.errors import NotAllowed


class SignedLinks:
    """Signs `METHOD path` until a time; the same key checks it on every server."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def query(self, method: str, path: str, expires_at: datetime) -> str:
        """The query string to append to the path."""
        expires = int(expires_at.timestamp())
        return urlencode({"expires": expires, "signature": self._sign(method, path, expires)})

    def check(self, method: str, path: str, query: Mapping[str, str], now: datetime) -> None:
        """Accept a request for a signed path.

        Raises:
            NotAllowed: changed, made for another method, or expired.
        """
        expires = query.get("expires", "")
        if not (expires.isascii() and expires.isdigit()) or len(expires) > 12:
            raise NotAllowed("This link is not valid.")
        expected = self._sign(method, path, int(expires))
        if not hmac.compare_digest(expected, query.get("signature", "")):
            raise NotAllowed("This link is not valid.")
        if int(expires) < now.timestamp():
            raise NotAllowed("This link has expired.")

    def _sign(self, method: str, path: str, expires: int) -> str:
        text = f"{method} {path} {expires}".encode()
        digest = hmac.new(self._key, text, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
