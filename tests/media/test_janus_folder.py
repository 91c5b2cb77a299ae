from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys

import pytest

from parley.media.janus.folder import PrivateFolder, remove_abandoned

MAKE_AND_WAIT = """
import sys, pathlib
from parley.media.janus.folder import PrivateFolder
folder = PrivateFolder.make(pathlib.Path(sys.argv[1]))
(folder.path / "janus.jcfg").write_text("secret")
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def other_server(short_folder):
    """A process with a folder in `short_folder`, and that folder's name."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MAKE_AND_WAIT, str(short_folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    yield process, short_folder / line.decode().strip()
    if process.returncode is None:
        process.kill()
    await process.wait()


def test_it_is_for_us_alone(short_folder):
    folder = PrivateFolder.make(short_folder / "made")

    assert folder.path.parent == (short_folder / "made").resolve()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    folder.remove()
    folder.remove()
    assert not folder.path.exists()


def test_a_place_too_long_for_a_unix_socket_is_replaced(short_folder):
    folder = PrivateFolder.make(short_folder / ("x" * 100))

    assert len(str(folder.socket_path)) < 108
    folder.remove()


async def test_what_a_killed_server_left_is_removed_by_the_next(short_folder, other_server):
    process, left = other_server
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert left.is_dir()

    folder = PrivateFolder.make(short_folder)

    assert list(short_folder.iterdir()) == [folder.path]
    folder.remove()


async def test_the_folder_of_a_running_server_stays(short_folder, other_server):
    _, used = other_server

    own = PrivateFolder.make(short_folder)
    PrivateFolder.make(short_folder).remove()

    assert {path.name for path in short_folder.iterdir()} == {used.name, own.path.name}
    assert (used / "janus.jcfg").read_text() == "secret"
    own.remove()


def test_what_is_not_certainly_abandoned_stays(tmp_path):
    (tmp_path / "parley-janus-without-lock").mkdir()
    (tmp_path / "parley-janus-file").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "owner").touch()
    (tmp_path / "parley-janus-link").symlink_to(elsewhere)
    (tmp_path / "parley-janus-link-inside").mkdir()
    (tmp_path / "parley-janus-link-inside" / "owner").symlink_to(elsewhere / "owner")
    before = sorted(tmp_path.iterdir())

    remove_abandoned(tmp_path)

    assert sorted(tmp_path.iterdir()) == before


def test_folders_of_other_users_stay(tmp_path, monkeypatch):
    """Root could remove them."""
    (tmp_path / "parley-janus-theirs").mkdir()
    (tmp_path / "parley-janus-theirs" / "owner").touch()
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    remove_abandoned(tmp_path)
    assert (tmp_path / "parley-janus-theirs").is_dir()

    monkeypatch.setattr(os, "geteuid", lambda: me)
    remove_abandoned(tmp_path)
    assert not (tmp_path / "parley-janus-theirs").exists()


def test_a_janus_that_outlived_its_server_is_ended(tmp_path):
    (tmp_path / "parley-janus-left").mkdir()
    (tmp_path / "parley-janus-left" / "owner").touch()
    hangs = "import signal, time; signal.signal(2, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    command = [sys.executable, "-c", hangs, "-F"]
    with (
        subprocess.Popen([*command, str(tmp_path / "parley-janus-left")], stdout=subprocess.PIPE) as left,
        subprocess.Popen([*command, str(tmp_path / "parley-janus-used")], stdout=subprocess.PIPE) as used,
    ):
        for process in (left, used):
            assert process.stdout is not None
            process.stdout.readline()
        remove_abandoned(tmp_path)
        assert left.wait(30) == -signal.SIGKILL
        assert used.poll() is None
        used.kill()
    assert not (tmp_path / "parley-janus-left").exists()
