"""Secrets at rest: sealed with a master key that is never in the database."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, select

from parley.base.clock import Clock
from parley.base.errors import ParleyError
from parley.base.times import to_ms
from parley.store.ports import Database
from parley.store.query import SystemQuery, upsert
from parley.store.schema import tables as t

KEY_BYTES = 32
_NONCE_BYTES = 12


class WrongMasterKey(ParleyError):
    """The database was sealed with another master key."""

    code = "wrong_master_key"


_LOOK = SystemQuery(select(t.server_secrets.c.sealed).where(t.server_secrets.c.name == bindparam("name")))
_KEEP = SystemQuery(upsert(t.server_secrets, ["name"]))


class Vault:
    """Seals small secrets (AES-256-GCM; the purpose is authenticated with them)."""

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(master_key)

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """Ciphertext that only opens for the same purpose."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """The secret.

        Raises:
            WrongMasterKey: sealed with another key or for another purpose.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except InvalidTag as refused:
            raise WrongMasterKey(
                "The stored secrets were sealed with another master key; give the server the key it had "
                "(PARLEY_SECRET_KEY, or the file secret.key in its data folder)."
            ) from refused

    async def server_secret(
        self, database: Database, clock: Clock, name: str, make: Callable[[], bytes]
    ) -> bytes:
        """A secret of the whole installation; made once, whichever server asks first."""
        row = await database.one(_LOOK, name=name)
        if row is None:
            async with database.transaction() as tx:
                sealed = self.seal(name, make())
                await tx.run(_KEEP, name=name, sealed=sealed, created_at=to_ms(clock.now()))
            row = await database.one(_LOOK, name=name)
        assert row is not None
        return self.open(name, bytes(row[0]))


def load_master_key(configured: str | None, file: Path) -> bytes:
    """The configured key (base64, 32 bytes), or that of the file, made with mode 0600 at first start."""
    if configured:
        key = base64.b64decode(configured, validate=True)
        if len(key) != KEY_BYTES:
            raise WrongMasterKey("The secret key must be 32 bytes, base64 encoded.")
        return key
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return base64.b64decode(file.read_text(), validate=True)
    key = os.urandom(KEY_BYTES)
    with os.fdopen(handle, "w") as out:
        out.write(base64.b64encode(key).decode())
        out.flush()
        os.fsync(out.fileno())
    return key
