"""SFTP servers: who is let in, what they refuse, and what is left behind."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from parley.outgoing.http import OutgoingPolicy
from parley.recordings.storage.choice import target_of
from parley.recordings.storage.errors import Hopeless, RetryLater
from parley.recordings.storage.sftp import read_private_key
from parley.recordings.storage.target import Rules
from tests.recordings.storage.conftest import ANYWHERE, SOON, sftp_config
from tests.storages import SshServer, ssh_server

RULES = Rules(ANYWHERE, patience=SOON)


class _Passwords(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("ann", "right")


class _OldServer(asyncssh.SFTPServer):
    """Knows no extension of OpenSSH's."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("unknown request")

    def fsync(self, file_obj: object) -> None:
        raise asyncssh.SFTPOpUnsupported("unknown request")


class _NoSpace(asyncssh.SFTPServer):
    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        raise asyncssh.SFTPQuotaExceeded("over quota")


class _Forgetful(asyncssh.SFTPServer):
    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        written = super().write(file_obj, offset, b"\x00" * len(data))
        assert isinstance(written, int)
        return written


@asynccontextmanager
async def _served(folder: Path, kind: type[asyncssh.SFTPServer]) -> AsyncIterator[dict[str, Any]]:
    """A server that takes a password, and the `storage_config` for it."""
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=_Passwords,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        sftp_factory=lambda connection: kind(connection, chroot=str(folder).encode()),
    )
    try:
        yield {
            "type": "sftp",
            "host": "localhost",
            "port": float(server.get_port()),
            "username": "ann",
            "auth_method": "PASSWORD",
            "password": "right",
            "path": "a",
        }
    finally:
        server.close()
        await server.wait_closed()


async def test_a_password_opens(tmp_path, file):
    async with _served(tmp_path, asyncssh.SFTPServer) as config:
        await target_of(config, RULES).put(file, "b.mp4")
    assert (tmp_path / "a" / "b.mp4").read_bytes() == b"moving pictures"


async def test_a_wrong_password_is_hopeless(tmp_path, file):
    async with _served(tmp_path, asyncssh.SFTPServer) as config:
        with pytest.raises(Hopeless, match="does not accept the user name and the password"):
            await target_of({**config, "password": "wrong"}, RULES).put(file, "b.mp4")


async def test_servers_without_extensions_replace_files_as_well(tmp_path, file):
    async with _served(tmp_path, _OldServer) as config:
        for content in (b"first", b"second"):
            file.write_bytes(content)
            await target_of(config, RULES).put(file, "b.mp4")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "a").iterdir()] == [("b.mp4", b"second")]


async def test_a_quota_is_named(tmp_path, file):
    async with _served(tmp_path, _NoSpace) as config:
        with pytest.raises(RetryLater, match="is full"):
            await target_of(config, RULES).put(file, "b.mp4")
    assert list((tmp_path / "a").iterdir()) == []


async def test_a_server_that_stores_something_else_is_found_out(tmp_path, file):
    async with _served(tmp_path, _Forgetful) as config:
        with pytest.raises(RetryLater, match="is not what was sent"):
            await target_of(config, RULES).put(file, "b.mp4")
    assert list((tmp_path / "a").iterdir()) == []


async def test_another_key_is_hopeless(ssh: SshServer, file):
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with pytest.raises(Hopeless, match="does not accept the user name and the private key"):
        await target_of(sftp_config(ssh, private_key=other), RULES).put(file, "b.mp4")


async def test_a_key_may_have_a_passphrase(ssh: SshServer, file):
    key = asyncssh.import_private_key(ssh.private_key)
    locked = key.export_private_key(passphrase="open", rounds=10, ignore_few_rounds=True).decode()
    config = sftp_config(ssh, "locked", private_key=locked, password="open")
    await target_of(config, RULES).put(file, "b.mp4")
    assert (ssh.home / "locked" / "b.mp4").exists()
    for password, words in (("wrong", "does not open its private key"), ("", "needs a passphrase")):
        with pytest.raises(Hopeless, match=words):
            await target_of({**config, "password": password}, RULES).put(file, "b.mp4")


def test_keys_that_would_take_hours_to_open_are_refused_at_once():
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_private_key(passphrase="open", rounds=17, ignore_few_rounds=True).decode()
    head, body, end = text.strip().partition("\n")[0], "".join(text.splitlines()[1:-1]), text.splitlines()[-1]
    raw = base64.b64decode(body).replace((17).to_bytes(4, "big"), (2**31).to_bytes(4, "big"), 1)
    slow = "\n".join([head, base64.b64encode(raw).decode(), end])
    sealed = key.export_private_key("pkcs8-pem", passphrase="open").decode()
    for each in (slow, sealed):
        with pytest.raises(Hopeless, match="does not open"):
            read_private_key(each, "open")


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"]
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(Hopeless, match="cannot be read"):
        read_private_key(text, None)


async def test_a_known_server_must_have_the_known_key(ssh: SshServer, file, tmp_path):
    known = tmp_path / "known_hosts"
    rules = Rules(ANYWHERE, known_hosts=str(known), patience=SOON)
    known.write_text(f"[127.0.0.1]:{ssh.port} {ssh.host_key}\n")
    await target_of(sftp_config(ssh, "known"), rules).put(file, "b.mp4")
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known.write_text(f"[127.0.0.1]:{ssh.port} {other}\n")
    with pytest.raises(Hopeless, match="is not the one that this server's operator knows"):
        await target_of(sftp_config(ssh, "known"), rules).put(file, "b.mp4")
    known.unlink()
    with pytest.raises(RetryLater, match="known SFTP hosts cannot be read"):
        await target_of(sftp_config(ssh, "known"), rules).put(file, "b.mp4")


async def test_an_absolute_path_is_one(ssh: SshServer, file, tmp_path):
    await target_of(sftp_config(ssh, f"{tmp_path}/made/here/"), RULES).put(file, "b.mp4")
    assert (tmp_path / "made" / "here" / "b.mp4").read_bytes() == b"moving pictures"


async def test_without_a_path_the_file_is_in_the_home(ssh: SshServer, file):
    await target_of(sftp_config(ssh, ""), RULES).put(file, "at-home.mp4")
    assert (ssh.home / "at-home.mp4").exists()


async def test_a_file_in_the_place_of_the_folder_is_hopeless(ssh: SshServer, file):
    (ssh.home / "taken").touch()
    with pytest.raises(Hopeless, match="“taken” is not a folder"):
        await target_of(sftp_config(ssh, "taken"), RULES).put(file, "b.mp4")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SshServer]:
    """A server whose disk holds a megabyte: a file system of its own for each session."""
    programs = [shutil.which("unshare"), shutil.which("sftp-server", path="/usr/lib/openssh:/usr/libexec")]
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=1m none {disk}"
    if None in programs or subprocess.run([str(programs[0]), "-rm", "sh", "-c", mount]).returncode:
        pytest.skip("no file system can be mounted here")
    (tmp_path / "ssh").mkdir()
    command = f'{programs[0]} -rm sh -c "{mount} && exec {programs[1]} -d {disk}"'
    with ssh_server(tmp_path / "ssh", command) as server:
        yield server


async def test_a_full_disk_is_named(small_disk: SshServer, large: Path):
    with pytest.raises(RetryLater, match=r"The disk of 127\.0\.0\.1 is full"):
        await target_of(sftp_config(small_disk), RULES).put(large, "b.mp4")


async def test_inner_addresses_are_reached_only_where_the_operator_allows_it(ssh: SshServer, file):
    strict = Rules(OutgoingPolicy(allow_private=False), patience=SOON)
    for host in ("127.0.0.1", "localhost", "2130706433"):
        with pytest.raises(Hopeless, match="--private-outgoing"):
            await target_of(sftp_config(ssh, host=host), strict).put(file, "b.mp4")
