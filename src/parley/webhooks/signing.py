"""Signatures of webhook bodies: RSA-2048, PKCS #1 v1.5, SHA-256 (`realtimekit.md` 14.2)."""

from __future__ import annotations

import base64
from collections import OrderedDict

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from parley.store.core import Store

KEY_BITS = 2048
SECRET_NAME = "webhooks.signing_key"  # noqa: S105 - the name of a secret
REMEMBERED = 256
"""Signatures kept, because the webhooks of one app are sent equal bodies."""


class Signer:
    """Signs bodies with the key of this installation.

    A signature costs 0.3 ms of CPU (measured), less than a commit, so it is made in the event loop.
    """

    def __init__(self, private_key: bytes) -> None:
        """Use a key.

        Args:
            private_key: RSA, PKCS #8, DER.
        """
        key = serialization.load_der_private_key(private_key, password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("webhooks are signed with an RSA key")
        self._key = key
        self._made: OrderedDict[bytes, str] = OrderedDict()
        self.public_key_pem = (
            key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
            .strip()
        )
        """What receivers verify with: PEM, SubjectPublicKeyInfo."""

    @classmethod
    async def load(cls, store: Store) -> Signer:
        """With the installation's key, made at first use and kept."""
        return cls(await store.vault.server_secret(store.database, store.clock, SECRET_NAME, new_private_key))

    def sign(self, body: bytes) -> str:
        """The base64 signature of exactly these bytes."""
        known = self._made.get(body)
        if known is not None:
            self._made.move_to_end(body)
            return known
        made = base64.b64encode(self._key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()
        self._made[body] = made
        if len(self._made) > REMEMBERED:
            self._made.popitem(last=False)
        return made


def new_private_key() -> bytes:
    """A fresh key: PKCS #8, DER."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
