"""Secrets at rest: sealed with a master key that is never in the database."""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
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
        except (InvalidTag, ValueError) as refused:
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
    """The configured key (base64, 32 bytes), or that of the file, made with mode 0600 at first start.

    Servers that start together agree on one key: the file appears complete, and only once.

    Raises:
        WrongMasterKey: not 32 bytes in base64.
    """
    if configured:
        return _decode_key(configured, "The secret key")
    if not file.exists():
        _make_key_file(file)
    return _decode_key(file.read_text(), f"The secret key in {file}")


def _decode_key(text: str, what: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError as malformed:
        raise WrongMasterKey(f"{what} must be base64.") from malformed
    if len(key) != KEY_BYTES:
        raise WrongMasterKey(f"{what} must be {KEY_BYTES} bytes, base64 encoded.")
    return key


def _make_key_file(file: Path) -> None:
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w") as out:
            out.write(base64.b64encode(os.urandom(KEY_BYTES)).decode())
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):  # another server was quicker: its key counts
            os.link(draft, file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # losing the name would lose every secret sealed meanwhile
        finally:
            os.close(folder)
    finally:
        Path(draft).unlink()
