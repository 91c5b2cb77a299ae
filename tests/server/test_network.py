"""Machines whose addresses no browser can reach."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

from parley.base.settings import Settings
from parley.server import network
from parley.server.network import (
    Interface,
    interfaces,
    media_interfaces,
    media_obstacle,
    unknown_interfaces,
)
from tests.server.process import environment

ETHERNET, VPN = Interface("eth0", "192.0.2.7"), Interface("tun0", "10.8.0.2")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Interface]:
    """The interfaces that the machine has."""
    present = [ETHERNET, VPN]
    monkeypatch.setattr(network, "interfaces", lambda: present)
    return present


@pytest.mark.parametrize(
    ("wanted", "used"),
    [
        ((), [ETHERNET, VPN]),
        (("eth0",), [ETHERNET]),
        (("10.",), [VPN]),
        (("tun", "192.0.2.7"), [ETHERNET, VPN]),
        (("127.0.0.1",), [ETHERNET, VPN]),  # as Janus does
    ],
)
def test_media_uses_what_the_setting_names(
    machine: list[Interface], wanted: tuple[str, ...], used: list[Interface]
) -> None:
    assert media_interfaces(Settings(media_interfaces=wanted)) == used


def test_a_machine_with_an_address_has_no_obstacle(machine: list[Interface]) -> None:
    assert media_obstacle(Settings()) is None
    assert unknown_interfaces(Settings()) is None
    assert unknown_interfaces(Settings(media_interfaces=("wlan0", "eth0"))) is None


def test_a_setting_that_names_nothing_here_is_quoted_with_what_is_here(machine: list[Interface]) -> None:
    told = unknown_interfaces(Settings(media_interfaces=("wlan0",))) or ""
    assert "--media-interfaces wlan0" in told
    assert "eth0 (192.0.2.7), tun0 (10.8.0.2)" in told


def test_a_machine_with_loopback_alone_is_told_to_join_a_network(machine: list[Interface]) -> None:
    machine.clear()
    told = media_obstacle(Settings()) or ""
    assert "other machines cannot reach" in told
    assert "Connect it to a network" in told


def test_loopback_is_never_listed() -> None:
    assert all(not each.address.startswith("127.") and each.name != "lo" for each in interfaces())


async def alone(script: str, *arguments: str) -> str:
    """Run a program of Python where there is only loopback; returns what it printed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare is not installed")
    process = await asyncio.create_subprocess_exec(
        *(unshare, "--net", "--user", "--map-current-user", sys.executable, "-c", script, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = out.decode()
    if "unshare: " in text:
        pytest.skip(text.strip())
    return text


async def test_where_there_is_only_loopback_nothing_is_found() -> None:
    program = "from parley.server.network import interfaces; print(interfaces())"
    assert await alone(program) == "[]\n"


@pytest.mark.media
async def test_the_server_says_so_when_it_starts(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from parley.base.settings import Settings
from parley.server.app import Parley
from parley.server.logs import configure_logs
from parley.server.serve import print_banner

async def main():
    async with Parley(Settings(data=Path(sys.argv[1]), demo=False), "http://localhost") as parley:
        await print_banner(parley)

configure_logs("warning", as_json=True)
asyncio.run(main())
"""
    told = await alone(program, str(tmp_path))
    assert "No audio or video: This machine has no network address besides loopback" in told
    logged = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert [line["event"] for line in logged] == ["media_unreachable"], "and nothing in the engine's words"


@pytest.mark.media
async def test_the_doctor_says_so(tmp_path: Path) -> None:
    program = "from parley.server.cli import main; main()"
    told = await alone(program, "doctor", "--data", str(tmp_path), "--port", "0")
    assert "FAIL  network            This machine has no network address besides loopback" in told
