"""The relay: its configuration, and a real coturn between real browsers and Janus."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from parley.base.errors import Invalid
from parley.media.child import Backoff
from parley.media.coturn import CoturnOptions, CoturnProcess, configuration
from parley.media.ports import MediaUnavailable
from parley.media.turn import IceOptions, ice_servers
from tests import netns
from tests.media.browser import until
from tests.waiting import until as until_local

SECRET = "0123456789abcdef"


def options(**changes: object) -> CoturnOptions:
    settings = {"address": "127.0.0.1", "media_addresses": ("192.0.2.1",), "secret": SECRET} | changes
    return CoturnOptions(**settings)  # type: ignore[arg-type]


def free_port(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def relay(**changes: object) -> AsyncIterator[CoturnProcess]:
    if shutil.which("turnserver") is None:
        pytest.skip("coturn is not installed")
    address = str(changes.get("address", "127.0.0.1"))
    process = CoturnProcess(options(port=free_port(address), **changes), Backoff(first_s=0.01))
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


def test_relay_may_reach_the_media_engine_only():
    lines = configuration(options(), Path("/run/relay")).splitlines()

    assert "denied-peer-ip=0.0.0.0-255.255.255.255" in lines
    assert any(line.startswith("denied-peer-ip=::-") for line in lines)
    assert [line for line in lines if line.startswith("allowed-peer-ip")] == ["allowed-peer-ip=192.0.2.1"]


def test_relay_behind_a_router_tells_its_public_address():
    text = configuration(options(public_address="203.0.113.7"), Path("/run/relay"))

    assert "external-ip=203.0.113.7/127.0.0.1\n" in text
    assert (
        CoturnProcess(options(public_address="203.0.113.7")).urls[0] == "turn:203.0.113.7:3478?transport=udp"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "localhost"},
        {"media_addresses": ("10.0.0.0/8",)},
        {"secret": "short"},
        {"secret": "0123456789abcdef\nno-auth"},
        {"realm": "a b"},
        {"relay_ports": (5000, 4000)},
        {"certificate": Path("/x")},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(Invalid):
        options(**wrong)


async def test_missing_program_names_the_package():
    with pytest.raises(MediaUnavailable, match="Debian package `coturn`"):
        await CoturnProcess(options(binary="/nonexistent/turnserver")).start()


async def test_taken_port_is_told():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        process = CoturnProcess(options(port=other.getsockname()[1], binary="/bin/true"))

        with pytest.raises(MediaUnavailable, match="cannot listen"):
            await process.start()


@pytest.mark.media
async def test_secret_is_not_on_the_command_line():
    async with relay() as process:
        command = Path(f"/proc/{process.pid}/cmdline").read_text()  # noqa: ASYNC240 - not a disk

    assert "turnserver" in command
    assert SECRET not in command


@pytest.mark.media
@pytest.mark.faults
async def test_killed_relay_comes_back():
    async with relay() as process:
        first = process.pid
        assert first is not None

        os.kill(first, signal.SIGKILL)
        await until_local(lambda: "" if process.is_running and process.pid != first else "not back")

    assert not process.is_running


def servers_of(process: CoturnProcess, urls: tuple[str, ...], lifetime: timedelta) -> list[dict[str, object]]:
    """RTCIceServer objects for a browser."""
    ice = IceOptions(urls=urls, secret=SECRET, lifetime=timedelta(hours=1))
    now = datetime.now(UTC) - timedelta(hours=1) + lifetime
    return [
        {"urls": list(server.urls), "username": server.username, "credential": server.credential}
        for server in ice_servers(ice, "par_1", now)
    ]


STATE = "peer.send.connectionState"


@pytest.mark.parametrize("transport", [0, 1], ids=["udp", "tcp"])
@pytest.mark.media
@pytest.mark.asyncio(loop_scope="module")
async def test_browser_connects_through_the_relay_only(open_peer, room, transport):
    async with relay(address=netns.ADDRESS, media_addresses=(netns.ADDRESS,)) as process:
        peer = await open_peer("alice")
        servers = servers_of(process, process.urls[transport : transport + 1], timedelta(hours=1))
        await peer.page.evaluate(
            "servers => peer.configuration = { iceServers: servers, iceTransportPolicy: 'relay' }", servers
        )
        await peer.open_sender(room)

        async def connected() -> str:
            state = await peer.page.evaluate(STATE)
            return "" if state == "connected" else f"the connection is {state}"

        await until(connected)


async def gathered(peer, servers: list[dict[str, object]]) -> str:
    """What a browser finds with these servers: "relay" when it got an allocation, else the error code."""
    return await peer.page.evaluate(
        """servers => new Promise((resolve) => {
          const connection = new RTCPeerConnection({ iceServers: servers, iceTransportPolicy: "relay" });
          connection.onicecandidate = (e) => { if (e.candidate?.candidate) resolve(e.candidate.type); };
          connection.onicecandidateerror = (e) => resolve(String(e.errorCode));
          connection.addTransceiver("audio");
          connection.createOffer().then((offer) => connection.setLocalDescription(offer));
        })""",
        servers,
    )


@pytest.mark.media
@pytest.mark.asyncio(loop_scope="module")
async def test_expired_credential_gets_no_relay(open_peer):
    async with relay(address=netns.ADDRESS, media_addresses=(netns.ADDRESS,)) as process:
        peer = await open_peer("alice")

        good = await gathered(peer, servers_of(process, process.urls[:1], timedelta(hours=1)))
        expired = await gathered(peer, servers_of(process, process.urls[:1], timedelta(seconds=-5)))

    assert (good, expired) == ("relay", "401")


@pytest.mark.media
@pytest.mark.asyncio(loop_scope="module")
async def test_relay_does_not_reach_other_machines(open_peer, room):
    """The engine's address is not among the allowed ones here, so not even the engine is reached."""
    async with relay(address=netns.ADDRESS, media_addresses=("192.0.2.1",)) as process:
        peer = await open_peer("alice")
        servers = servers_of(process, process.urls[:1], timedelta(hours=1))
        await peer.page.evaluate(
            "servers => peer.configuration = { iceServers: servers, iceTransportPolicy: 'relay' }", servers
        )
        await peer.open_sender(room)

        async def failed() -> str:
            state = await peer.page.evaluate(STATE)
            assert state != "connected"
            return "" if state == "failed" else f"the connection is {state}"

        await until(failed, 40)
