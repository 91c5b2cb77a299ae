"""What requests to a customer's server are signed with (`realtime-block.md` 13.1)."""

from __future__ import annotations

from parley.accounts.keys import signing_keys
from parley.accounts.scope import AppScope
from parley.webhooks.dialects import sign
from parley.webhooks.endpoints import Endpoints


class RequestSignatures:
    """Signs as webhooks do, with the app's webhook secret; with its secret key when it has no webhook."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: AppScope, request_id: str, timestamp: int, body: bytes) -> str:
        """The value of `Parley-Signature`; empty for an app with neither."""
        secret = await self._endpoints.signing_secret(scope)
        secrets = [secret] if secret is not None else [key.decode() for key in await signing_keys(scope)]
        return " ".join(sign(each, request_id, timestamp, body) for each in secrets)
