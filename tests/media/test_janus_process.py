from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from parley.base.errors import Invalid
from parley.media.janus.config import DEFAULT_OPTIONS, JanusOptions, JanusSecrets, write_configuration
from parley.media.janus.process import (
    JanusProcess,
    check_version,
    find_binary,
    find_libraries,
    level_of,
    require_version,
)
from parley.media.ports import MediaUnavailable
from tests.waiting import until


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def installation(root: Path) -> Path:
    """The libraries of a Janus, as empty files."""
    place = root / "lib" / "janus"
    for name in ("videoroom", "sip"):
        (place / "plugins").mkdir(parents=True, exist_ok=True)
        (place / "plugins" / f"libjanus_{name}.so").touch()
    for name in ("websockets", "http"):
        (place / "transports").mkdir(exist_ok=True)
        (place / "transports" / f"libjanus_{name}.so").touch()
    return place


def written(tmp_path: Path, options: JanusOptions = DEFAULT_OPTIONS) -> dict[str, str]:
    """Configuration files by name."""
    libraries = installation(tmp_path / "usr")
    folder = tmp_path / "private"
    folder.mkdir()
    write_configuration(folder, folder / "control.sock", libraries, options, JanusSecrets())
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_missing_program_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MediaUnavailable, match="Debian package `janus`"):
        find_binary(JanusOptions())


def test_libraries_are_found_beside_the_program(tmp_path):
    place = installation(tmp_path)
    (tmp_path / "bin").mkdir()
    binary = script(tmp_path / "bin" / "janus", "")

    assert find_libraries(JanusOptions(), binary) == place


def test_incomplete_installation_is_told(tmp_path):
    place = installation(tmp_path)
    (place / "plugins" / "libjanus_videoroom.so").unlink()

    with pytest.raises(MediaUnavailable, match="VideoRoom plugin"):
        find_libraries(JanusOptions(library_folder=place), "/usr/bin/janus")


@pytest.mark.parametrize("output", ["echo 'Janus version: 914 (0.9.14)'", "echo hello", "exit 1"])
async def test_unusable_program_is_refused_before_it_is_started(tmp_path, output):
    with pytest.raises(MediaUnavailable):
        await check_version(script(tmp_path / "janus", output))


@pytest.mark.parametrize("version", ["0.15.3", "", "x"])
def test_versions_without_multistream_are_refused(version):
    with pytest.raises(MediaUnavailable, match="too old"):
        require_version(version)


@pytest.mark.parametrize("version", ["1.0.0", "1.1.2", "2.0"])
def test_multistream_versions_are_accepted(version):
    require_version(version)


async def test_program_that_ends_at_once_is_quoted(tmp_path):
    place = installation(tmp_path)
    binary = script(
        tmp_path / "janus",
        'case "$1" in --version) echo "Janus version: 1102 (1.1.2)";; *) echo "no such port"; exit 5;; esac',
    )

    with pytest.raises(MediaUnavailable, match="code 5: no such port"):
        await JanusProcess.start(
            JanusOptions(binary=binary, library_folder=place, runtime_folder=tmp_path / "run")
        )

    assert list((tmp_path / "run").iterdir()) == []


def test_only_the_videoroom_and_our_transport_are_loaded(tmp_path):
    main = written(tmp_path)["janus.jcfg"]

    assert 'disable = "libjanus_sip.so"' in main
    assert 'disable = "libjanus_http.so"' in main


def test_secrets_differ_and_do_not_show_in_logs():
    keys = JanusSecrets()
    values = {keys.api, keys.admin, keys.room, keys.room_creation, JanusSecrets().api}

    assert len(values) == 5
    assert not any(value in repr(keys) for value in values)


def test_network_options_reach_the_configuration(tmp_path):
    options = JanusOptions(
        rtp_ports=(40000, 40100),
        public_addresses=("203.0.113.7",),
        interfaces=("eth0", "192.168."),
        ice_lite=True,
    )

    main = written(tmp_path, options)["janus.jcfg"]

    assert 'rtp_port_range = "40000-40100"' in main
    assert 'nat_1_1_mapping = "203.0.113.7"' in main
    assert 'ice_enforce_list = "eth0,192.168."' in main
    assert "ice_lite = true" in main


@pytest.mark.parametrize(
    "wrong",
    [
        {"rtp_ports": (20000, 20000)},
        {"rtp_ports": (80, 90)},
        {"rtp_ports": (60000, 70000)},
        {"public_addresses": ('1.2.3.4"; x = "',)},
        {"interfaces": ('eth0"\n}',)},
        {"interfaces": ("",)},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(Invalid):
        JanusOptions(**wrong)


def test_quotes_in_a_path_cannot_change_the_configuration(tmp_path):
    folder = tmp_path / 'a"; admin_secret = "x'
    folder.mkdir()

    main = write_configuration(folder, folder / "s", tmp_path, JanusOptions(), JanusSecrets()).read_text()

    assert 'a\\"; admin_secret = \\"x"' in main
    assert 'admin_secret = "x' not in main


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("[FATAL] [janus.c:main:5271] No address", logging.CRITICAL),
        ("[ERR] [ice.c:janus_ice_handle:1] broken", logging.ERROR),
        ("[WARN] [1234] Got error 'timed out'", logging.WARNING),
        ("[WARN] Reclaim session timeouts have been disabled, will cleanup immediately", logging.DEBUG),
        ("[WARN] Data Channels support not compiled", logging.DEBUG),
        ("Somebody said [ERR] in a name", logging.DEBUG),
        ("Janus version: 1102 (1.1.2)", logging.DEBUG),
        ("", logging.DEBUG),
    ],
)
def test_levels_of_janus_become_ours(line, level):
    assert level_of(line) == level


@pytest.mark.media
async def test_janus_runs_in_its_folder_and_leaves_nothing(short_folder, caplog):
    caplog.set_level(logging.DEBUG, "parley.media.child")
    process = await JanusProcess.start(JanusOptions(runtime_folder=short_folder))

    assert process.socket_path.is_socket()
    assert process.socket_path.parent.parent == short_folder.resolve()
    assert not any(process.keys.api in message for message in caplog.messages)
    assert not [each for each in caplog.records if each.levelno > logging.DEBUG], "nothing to worry about"

    await process.stop()
    await process.stop()
    assert process.child.exit_code == 0
    assert list(short_folder.iterdir()) == []


@pytest.mark.media
async def test_cancelled_start_leaves_nothing(short_folder):
    start = asyncio.create_task(JanusProcess.start(JanusOptions(runtime_folder=short_folder)))
    await until(lambda: "" if list(short_folder.iterdir()) else "not begun")

    start.cancel()

    with pytest.raises(asyncio.CancelledError):
        await start
    assert list(short_folder.iterdir()) == []
