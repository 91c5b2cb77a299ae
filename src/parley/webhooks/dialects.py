"""The two ways in which requests are signed.

`Installation`: one RSA key for all, over the body. `Standard`: a secret of each webhook, over id, time and
body, as the Standard Webhooks specification has it (`realtime-block.md` 14.4).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec.structs import replace as replaced

from parley.base.events import Event
from parley.base.times import iso_ms, to_ms
from parley.outgoing.ports import Http
from parley.store.outbox import Announced
from parley.store.secrets import Vault
from parley.webhooks.model import BLOCK, POLICIES, REALTIMEKIT, Delivery, Policy, Webhook
from parley.webhooks.ports import AppLabel, EventCodec, PayloadCodec, Told
from parley.webhooks.signing import Signer

PREFIX = "whsec_"
USER_AGENT = "Parley-Webhooks/1"
_SEAL = "webhook-secret"


class Installation:
    """`ports.Dialect` whose requests are signed with the installation's key."""

    name = REALTIMEKIT
    http: Http | None = None

    def __init__(self, codec: PayloadCodec, signer: Signer, policy: Policy = POLICIES[REALTIMEKIT]) -> None:
        self._codec = codec
        self._signer = signer
        self.policy = policy

    def public_name(self, happened: Event) -> str | None:
        """See `Dialect.public_name`."""
        return self._codec.public_name(happened)

    def tell(self, happened: Announced, app: AppLabel) -> Told:
        """See `Dialect.tell`."""
        return Told(None, self._codec.body(happened.event, app))

    def headers(self, webhook: Webhook, delivery: Delivery, body: bytes, now: datetime) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return self._codec.headers(delivery.id, webhook.id, self._signer.sign(body))


class Standard:
    """`ports.Dialect` of Standard Webhooks: an envelope with an id, and a secret for each webhook."""

    name = BLOCK

    def __init__(
        self,
        codec: EventCodec,
        vault: Vault,
        policy: Policy = POLICIES[BLOCK],
        http: Http | None = None,
    ) -> None:
        self._codec = codec
        self.http = http
        self._vault = vault
        self.policy = policy

    def public_name(self, happened: Event) -> str | None:
        """See `Dialect.public_name`."""
        return self._codec.public_name(happened)

    def tell(self, happened: Announced, app: AppLabel) -> Told:
        """See `Dialect.tell`."""
        name = self._codec.public_name(happened.event)
        assert name is not None
        event_id = event_id_of(happened)
        return Told(event_id, envelope(event_id, name, happened.at, self._codec.data(happened.event)))

    def headers(self, webhook: Webhook, delivery: Delivery, body: bytes, now: datetime) -> Mapping[str, str]:
        """See `Dialect.headers`; for a day after a change of the secret both sign."""
        event_id = delivery.event_id or delivery.id
        timestamp = to_ms(now) // 1000
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(
                sign(secret, event_id, timestamp, body) for secret in secrets_of(self._vault, webhook, now)
            ),
            "User-Agent": USER_AGENT,
        }


def envelope(event_id: str, name: str, at: datetime, data: Mapping[str, object]) -> str:
    """The body of an event."""
    return msgspec.json.encode(
        {"id": event_id, "type": name, "created_at": iso_ms(at), "data": data}
    ).decode()


def event_id_of(happened: Announced) -> str:
    """The id of an event: the same whenever and by whomever it is told."""
    place = f"{happened.app_id} {happened.topic} {happened.epoch} {happened.offset}"
    digest = hashlib.sha256(place.encode()).digest()[:15]
    return "evt_" + base64.b32encode(digest).decode().lower()


def sign(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """One signature, `v1,…`.

    Args:
        secret: `whsec_` and base64; what is not base64 after that counts as it is.
        event_id: as in the header `webhook-id`.
        timestamp: Unix seconds.
        body: exactly what is sent.
    """
    signed = f"{event_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _key(secret: str) -> bytes:
    text = secret.removeprefix(PREFIX)
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode()


def seal_secret(vault: Vault, secret: str) -> bytes:
    """The secret as it is stored."""
    return vault.seal(_SEAL, secret.encode())


def secrets_of(vault: Vault, webhook: Webhook, now: datetime) -> list[str]:
    """The secrets that sign now, the present one first."""
    sealed = [webhook.sealed_secret]
    if webhook.old_secret_until is not None and webhook.old_secret_until > now:
        sealed.append(webhook.old_sealed_secret)
    return [vault.open(_SEAL, one).decode() for one in sealed if one is not None]


def with_secret(webhook: Webhook, sealed: bytes, old_until: datetime) -> Webhook:
    """The webhook with another secret; the one it had signs as well until then."""
    return replaced(
        webhook,
        sealed_secret=sealed,
        old_sealed_secret=webhook.sealed_secret,
        old_secret_until=old_until,
    )
