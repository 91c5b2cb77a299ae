from __future__ import annotations

import asyncio
import base64
import stat
import subprocess
import sys

import pytest

from parley.store.secrets import Vault, WrongMasterKey, load_master_key
from tests.conftest import MASTER_KEY
from tests.store.databases import connected


def test_a_sealed_secret_opens_for_its_purpose(vault):
    assert vault.open("webhook", vault.seal("webhook", b"secret")) == b"secret"


def test_sealing_twice_gives_different_texts(vault):
    assert vault.seal("webhook", b"secret") != vault.seal("webhook", b"secret")


def test_another_purpose_does_not_open_it(vault):
    with pytest.raises(WrongMasterKey):
        vault.open("token", vault.seal("webhook", b"secret"))


def test_another_key_does_not_open_it(vault):
    with pytest.raises(WrongMasterKey):
        Vault(bytes(32)).open("webhook", vault.seal("webhook", b"secret"))


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_a_cut_text_does_not_open(vault, length):
    with pytest.raises(WrongMasterKey):
        vault.open("webhook", vault.seal("webhook", b"secret")[:length])


def test_a_changed_text_does_not_open(vault):
    sealed = bytearray(vault.seal("webhook", b"secret"))
    sealed[-1] ^= 1
    with pytest.raises(WrongMasterKey):
        vault.open("webhook", bytes(sealed))


def test_the_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path):
    file = tmp_path / "secret.key"
    key = load_master_key(None, file)
    assert len(key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_master_key(None, file) == key
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_configured_key_needs_no_file(tmp_path):
    configured = base64.b64encode(MASTER_KEY).decode()
    assert load_master_key(configured, tmp_path / "secret.key") == MASTER_KEY
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["not base64!", "c2hvcnQ=", "ü"])
def test_a_malformed_key_is_refused_in_words(tmp_path, text):
    with pytest.raises(WrongMasterKey):
        load_master_key(text, tmp_path / "secret.key")
    (tmp_path / "secret.key").write_text(text)
    with pytest.raises(WrongMasterKey, match=r"secret\.key"):
        load_master_key(None, tmp_path / "secret.key")


def test_an_emptied_key_file_is_not_a_key(tmp_path):
    """A reader that came between creating and writing the file got an empty key."""
    (tmp_path / "secret.key").write_text("")
    with pytest.raises(WrongMasterKey):
        load_master_key(None, tmp_path / "secret.key")


def test_servers_that_start_together_agree_on_one_key(tmp_path):
    program = (
        "import sys; from pathlib import Path; from parley.store.secrets import load_master_key; "
        "sys.stdin.readline(); print(load_master_key(None, Path(sys.argv[1])).hex())"
    )
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "secret.key")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in starting:
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0] for process in starting}
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 64


async def test_a_server_secret_is_made_once_whoever_asks_first(database_url, clock, vault):
    made = iter(range(256))

    async def ask() -> bytes:
        async with connected(database_url) as database:
            return await vault.server_secret(database, clock, "tokens", lambda: bytes([next(made)]))

    secrets = await asyncio.gather(*(ask() for _ in range(4)))
    assert len(set(secrets)) == 1
    assert await ask() == secrets[0]


async def test_a_server_secret_of_another_master_key_is_refused(database, clock, vault):
    await vault.server_secret(database, clock, "tokens", lambda: b"x")
    with pytest.raises(WrongMasterKey):
        await Vault(bytes(32)).server_secret(database, clock, "tokens", lambda: b"x")
