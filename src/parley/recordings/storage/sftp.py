"""A server with SFTP (version 3, as OpenSSH speaks it): a temporary name, read back, renamed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import posixpath
import re
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncssh
from asyncssh import SFTPClient, SFTPClientFile

from parley.outgoing.http import NOT_PUBLIC
from parley.outgoing.ports import AddressRefused, OutgoingError
from parley.outgoing.sockets import open_socket
from parley.recordings.storage import fields
from parley.recordings.storage.errors import Hopeless, RetryLater, StorageError
from parley.recordings.storage.local import Digests, LocalFile
from parley.recordings.storage.target import Rules

DEFAULT_PORT = 22
CONNECT_S, LOGIN_S = 10.0, 30.0
STEP_S = 120.0
"""For one request, or for one piece of the file."""
PIECE_BYTES = 2 << 20
KEEP_ALIVE_S = 15
MAX_ENTRIES = 100_000
"""Of a folder; what is left of uploads beyond that stays there."""
MAX_ROUNDS = 512
"""`ssh-keygen` takes 16 or 24; each is some 20 ms."""
_OPENSSH_KEY = re.compile(r"BEGIN OPENSSH PRIVATE KEY-+\s+([A-Za-z0-9+/=\s]+?)-+END")
_FULL = re.compile(r"quota|no space|disk full", re.IGNORECASE)
"""In the text beside the error: version 3 of the protocol has no number for it."""


@dataclass(frozen=True, slots=True)
class SftpStorage:
    """An account on a server."""

    host: str
    port: int
    username: str
    password: str | None
    """Or the passphrase of the key."""
    private_key: str | None
    rules: Rules

    async def upload(self, file: LocalFile, key: str) -> None:
        """See `target.Uploader`; `key` is a path on the server."""
        folder, name = posixpath.split(key)
        try:
            async with self._session() as sftp:
                await self._bring(sftp, file, folder, name)
        except StorageError:
            raise
        except (asyncssh.Error, ConnectionError, EOFError) as broken:
            raise RetryLater(
                f"The connection to {self.host} broke off.", detail=type(broken).__name__
            ) from broken
        except TimeoutError as late:
            raise RetryLater(f"{self.host} does not answer in time.") from late

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[SFTPClient]:
        key = None
        if self.private_key is not None:  # a passphrase takes a good part of a second
            key = await asyncio.to_thread(read_private_key, self.private_key, self.password)
        connection = await self._connect(await self._open(), key)
        try:
            async with asyncio.timeout(LOGIN_S):
                try:
                    sftp = await connection.start_sftp_client()
                except asyncssh.ChannelOpenError as refused:
                    raise Hopeless(f"{self.host} does not offer SFTP to this user.") from refused
            yield sftp
        finally:
            connection.abort()
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    await connection.wait_closed()

    async def _open(self) -> socket.socket:
        try:
            return await open_socket(self.rules.policy, self.host, self.port, timeout_s=CONNECT_S)
        except AddressRefused as refused:
            raise Hopeless(f"The address of {self.host} is not allowed. {NOT_PUBLIC}") from refused
        except OutgoingError as away:
            raise RetryLater(f"{self.host} cannot be reached: {away.message}.", detail=away.message) from away

    async def _connect(
        self, opened: socket.socket, key: asyncssh.SSHKey | None
    ) -> asyncssh.SSHClientConnection:
        """Log in with what the customer gave and nothing of this server: no files, agents or keys of it."""
        is_key = key is not None
        try:
            known = asyncssh.read_known_hosts(self.rules.known_hosts) if self.rules.known_hosts else None
        except (OSError, ValueError) as unread:
            opened.close()
            raise RetryLater("This server's file of known SFTP hosts cannot be read.") from unread
        try:
            async with asyncio.timeout(LOGIN_S):
                return await asyncssh.connect(
                    self.host,
                    self.port,
                    sock=opened,
                    username=self.username,
                    password=None if is_key else self.password,
                    client_keys=[key] if key is not None else None,
                    preferred_auth="publickey" if is_key else "password,keyboard-interactive",
                    known_hosts=known,
                    config=None,
                    agent_path=None,
                    gss_host=None,
                    login_timeout=LOGIN_S,
                    keepalive_interval=KEEP_ALIVE_S,
                )
        except asyncssh.PermissionDenied as refused:
            what = "private key" if is_key else "password"
            raise Hopeless(f"{self.host} does not accept the user name and the {what}.") from refused
        except asyncssh.HostKeyNotVerifiable as unknown:
            raise Hopeless(
                f"The key of {self.host} is not the one that this server's operator knows."
            ) from unknown
        except asyncssh.KeyExchangeFailed as foreign:
            raise Hopeless(f"{self.host} offers no encryption that this server knows.") from foreign
        except BaseException:
            opened.close()
            raise

    # --- the file ---------------------------------------------------------------------------------

    async def _bring(self, sftp: SFTPClient, file: LocalFile, folder: str, name: str) -> None:
        draft = posixpath.join(folder, f".{name}.{secrets.token_hex(8)}.part")
        final = posixpath.join(folder, name)
        try:
            if folder and not await _step(sftp.isdir(folder)):
                await _step(sftp.makedirs(folder, exist_ok=True))
            await self._clear(sftp, folder or ".", name)
            digests = await self._write(sftp, file, draft)
            if digests.size != file.size:
                raise RetryLater("The recorded file changed while it was uploaded.")
            if await self._read_back(sftp, draft, digests.size) != digests.sha256:
                raise RetryLater(f"What arrived at {self.host} is not what was sent.")
            await _rename(sftp, draft, final)
            if (await _step(sftp.stat(final))).size != digests.size:
                raise RetryLater(f"What arrived at {self.host} is not what was sent.")
        except Exception as failure:
            # Looked into before the draft is removed: a full disk is not full any more after that.
            refused = await self._refused(sftp, failure, folder)
            with suppress(asyncssh.Error, OSError):
                await _step(sftp.remove(draft))
            if refused is failure:
                raise
            raise refused from failure

    async def _clear(self, sftp: SFTPClient, folder: str, name: str) -> None:
        """Remove what uploads of this file left that were cut off."""
        with suppress(asyncssh.SFTPPermissionDenied):  # some accounts may not look around
            async with asyncio.timeout(STEP_S):
                seen = 0
                async for entry in sftp.scandir(folder):
                    found = str(entry.filename)
                    if found.startswith(f".{name}.") and found.endswith(".part"):
                        with suppress(asyncssh.SFTPNoSuchFile):
                            await sftp.remove(posixpath.join(folder, found))
                    seen += 1
                    if seen >= MAX_ENTRIES:
                        break

    async def _write(self, sftp: SFTPClient, file: LocalFile, draft: str) -> Digests:
        digests = Digests(PIECE_BYTES)
        remote: SFTPClientFile = await _step(sftp.open(draft, "wb", encoding=None))
        try:
            async with aclosing(file.chunks(digests, PIECE_BYTES)) as pieces:
                start = 0
                async for piece in pieces:
                    await _step(remote.write(piece, start))
                    start += len(piece)
            with suppress(asyncssh.SFTPOpUnsupported):
                await _step(remote.fsync())
        finally:
            await _step(remote.close())
        return digests

    async def _read_back(self, sftp: SFTPClient, path: str, size: int) -> bytes:
        digest = hashlib.sha256()
        remote: SFTPClientFile = await _step(sftp.open(path, "rb", encoding=None))
        try:
            start = 0
            while start <= size and (piece := await _step(remote.read(PIECE_BYTES, start))):
                start += len(piece)
                await asyncio.to_thread(digest.update, piece)
        finally:
            await _step(remote.close())
        return digest.digest() if start == size else b""

    async def _refused(self, sftp: SFTPClient, failure: Exception, folder: str) -> Exception:
        if not isinstance(failure, asyncssh.SFTPError):
            return failure
        if isinstance(failure, asyncssh.SFTPPermissionDenied | asyncssh.SFTPWriteProtect):
            return Hopeless(f"{self.host} does not let “{self.username}” write to “{folder or '.'}”.")
        if _FULL.search(failure.reason) or await _is_full(sftp, folder or "."):
            return RetryLater(f"The disk of {self.host} is full.", detail=failure.reason)
        if isinstance(failure, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
            return RetryLater(f"The connection to {self.host} broke off.", detail=failure.reason)
        if failure.reason.endswith("is not a directory"):
            return Hopeless(f"“{folder}” is not a folder at {self.host}.", detail=failure.reason)
        return RetryLater(
            f"{self.host} could not store the file in “{folder or '.'}”.", detail=failure.reason
        )


def storage(config: Mapping[str, Any], rules: Rules) -> SftpStorage:
    """An account.

    Raises:
        Hopeless: something is missing or cannot be right.
    """
    host = fields.needed(config, "host")
    if len(host) > 253 or not host.isprintable() or " " in host or "/" in host:
        raise Hopeless(f"“{host[:80]}” is not the name of a host.")
    port = config.get("port") or DEFAULT_PORT
    if not isinstance(port, int | float) or not 0 < port < 65_536:
        raise Hopeless("“port” of the storage must be a number between 1 and 65535.")
    password = fields.text(config, "password") or None
    key = None
    if config.get("auth_method") == "KEY":
        key = fields.needed(config, "private_key")
    elif password is None:
        raise Hopeless("“password” of the storage is missing.")
    return SftpStorage(host, int(port), fields.needed(config, "username"), password, key, rules)


def read_private_key(text: str, passphrase: str | None) -> asyncssh.SSHKey:
    """A customer's key; takes as long as its passphrase was made to take, so not for the event loop.

    Raises:
        Hopeless: it is none that this server takes.
    """
    try:
        if "BEGIN ENCRYPTED PRIVATE KEY" in text or _rounds(text) > MAX_ROUNDS:
            raise Hopeless(
                "“private_key” of the storage is sealed in a way that this server does not open; "
                "OpenSSH's own form (ssh-keygen -p -f KEY) is."
            )
        return asyncssh.import_private_key(text.strip() + "\n", passphrase)
    except asyncssh.KeyEncryptionError:
        raise Hopeless("“password” of the storage does not open its private key.") from None
    except (asyncssh.KeyImportError, ValueError, struct.error):
        what = "cannot be read" if passphrase else "cannot be read, or needs a passphrase in “password”"
        raise Hopeless(f"“private_key” of the storage {what}.") from None


def _rounds(text: str) -> int:
    """How often the passphrase of a key in OpenSSH's form is hashed (its PROTOCOL.key); its maker decides."""
    found = _OPENSSH_KEY.search(text)
    if found is None:
        return 0
    data = base64.b64decode("".join(found[1].split()), validate=True).removeprefix(b"openssh-key-v1\0")
    for _ in range(2):  # names of the cipher and of the key derivation
        (length,) = struct.unpack_from(">I", data)
        data = data[4 + length :]
    (length,) = struct.unpack_from(">I", data)
    options = data[4 : 4 + length]
    return int(struct.unpack(">I", options[-4:])[0]) if options else 0


async def _rename(sftp: SFTPClient, draft: str, final: str) -> None:
    """Put the file under its name, in place of an older one."""
    try:
        await _step(sftp.posix_rename(draft, final))
    except asyncssh.SFTPOpUnsupported:
        with suppress(asyncssh.SFTPNoSuchFile):
            await _step(sftp.remove(final))
        await _step(sftp.rename(draft, final))


async def _is_full(sftp: SFTPClient, folder: str) -> bool:
    """OpenSSH says “Failure” to everything that the protocol has no word for, a full disk among it."""
    with suppress(asyncssh.SFTPError, TimeoutError):
        found = await _step(sftp.statvfs(folder))
        free = found.bavail * (found.frsize or found.bsize or 1)
        return bool(free < PIECE_BYTES or (found.files > 0 and found.favail == 0))
    return False


async def _step(work: Any) -> Any:
    async with asyncio.timeout(STEP_S):
        return await work
