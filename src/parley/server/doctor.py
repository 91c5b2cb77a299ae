"""`parley doctor`: real checks of everything a call needs, each with the setting that mends it."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from parley.base.errors import ParleyError
from parley.base.ids import new_uuid
from parley.base.settings import Settings
from parley.media.janus.config import JanusOptions
from parley.media.janus.engine import JanusEngine
from parley.server.app import blobs_of, open_store
from parley.server.network import media_interfaces, media_obstacle, unknown_interfaces
from parley.server.serve import LOOPBACK, public_url
from parley.server.tls import certificate_files, valid_until
from parley.web.files import DIST

Grade = Literal["good", "note", "bad"]
CHECK_TIMEOUT_S = 20.0
LEAST_FREE_BYTES = 1 << 30
EXPIRES_SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    grade: Grade
    subject: str
    sentence: str


Check = Callable[[Settings], Awaitable[list[Finding]]]


async def examine(settings: Settings) -> list[Finding]:
    """Run every check; one that fails or hangs is a finding, not an end."""
    findings: list[Finding] = []
    for check in (_data, _database, _files, _redis, _media, _ports, _relay, _address, _certificate, _pages):
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                findings += await check(settings)
        except ParleyError as failed:
            findings.append(Finding("bad", check.__name__.strip("_"), failed.message))
        except TimeoutError:
            findings.append(Finding("bad", check.__name__.strip("_"), "did not answer in time"))
        except OSError as failed:
            findings.append(Finding("bad", check.__name__.strip("_"), str(failed)))
    return findings


async def _data(settings: Settings) -> list[Finding]:
    folder = settings.make_folder()
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        sentence = f"{folder} has only {free >> 20} MB left; choose another with --data."
        return [Finding("bad", "data folder", sentence)]
    return [Finding("good", "data folder", f"{folder}, {free >> 30} GB free")]


async def _database(settings: Settings) -> list[Finding]:
    store = await open_store(settings)
    await store.database.close()
    kind = "PostgreSQL" if settings.database_url else "SQLite"
    return [Finding("good", "database", f"{kind} answers and its schema is up to date")]


async def _files(settings: Settings) -> list[Finding]:
    """Write a file, read it and remove it."""
    blobs = blobs_of(settings)
    key = f"doctor-{new_uuid()}"

    async def content() -> AsyncIterator[bytes]:
        yield b"parley"

    await blobs.put(key, content())
    found = b"".join([chunk async for chunk in (await blobs.get(key)).chunks])
    await blobs.delete(key)
    where = settings.storage_url or "the data folder"
    if found != b"parley":
        return [Finding("bad", "files", f"{where} does not give back what was stored")]
    return [Finding("good", "files", f"stored in {where} and read again")]


async def _redis(settings: Settings) -> list[Finding]:
    if not settings.redis_url:
        return [Finding("good", "bus", "in-process: right for one server (--redis-url for several)")]
    from parley.bus.redis import RedisBus  # not needed by the server, which shares this module's process

    bus = await RedisBus.open(settings.redis_url)
    try:
        await bus.get("doctor")
    finally:
        await bus.close()
    return [Finding("good", "bus", "Redis answers")]


async def _media(settings: Settings) -> list[Finding]:
    if not settings.media:
        return [Finding("note", "media engine", "switched off (--no-media): no audio or video")]
    engine = JanusEngine(
        JanusOptions(
            binary=settings.janus_binary or None,
            rtp_ports=settings.rtp_port_range,
            public_addresses=settings.media_addresses,
            interfaces=settings.media_interfaces,
            ice_lite=settings.ice_lite,
        )
    )
    try:
        await engine.start()
        room = await engine.open_room("doctor")
        await room.close()
        status = engine.status()
        return [Finding("good", "media engine", f"Janus {status.version} starts and opens a room")]
    finally:
        await engine.stop()


async def _ports(settings: Settings) -> list[Finding]:
    """Send a datagram to each of our own addresses on a media port: firewalls on this host show up."""
    if not settings.media:
        return []
    obstacle = media_obstacle(settings)
    if obstacle:
        return [Finding("bad", "network", obstacle)]
    mistake = unknown_interfaces(settings)
    findings = [Finding("bad", "media interfaces", mistake)] if mistake else []
    first, last = settings.rtp_port_range
    usable = media_interfaces(settings)
    for address in (each.address for each in usable):
        try:
            reached = await asyncio.to_thread(_udp_round_trip, address, first, last)
        except OSError:
            continue  # every port is in use, by a running server perhaps
        if reached:
            findings.append(Finding("good", "media ports", f"UDP {first}-{last} reach {address} from here"))
        else:
            sentence = f"UDP {first}-{last} on {address} are blocked; open them or choose --rtp-ports."
            findings.append(Finding("bad", "media ports", sentence))
    if all(each.is_private for each in usable) and not settings.media_addresses:
        sentence = (
            f"{usable[0].address} is a private address: browsers outside of its network need "
            "--media-addresses with the public one, and the media ports forwarded to here."
        )
        findings.append(Finding("note", "media address", sentence))
    return findings


def _udp_round_trip(address: str, first: int, last: int) -> bool:
    for port in range(first, min(last, first + 50) + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            try:
                receiver.bind((address, port))
            except OSError:
                continue  # in use, by a running server perhaps
            receiver.settimeout(1)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"parley", (address, port))
            try:
                return receiver.recv(16) == b"parley"
            except TimeoutError:
                return False
    raise OSError("no free port")


async def _relay(settings: Settings) -> list[Finding]:
    urls = [url for url in settings.ice_urls if url.startswith("turn")]
    if not urls and not settings.coturn_address:
        sentence = "none: people behind strict firewalls cannot connect (--ice-urls or --coturn-address)"
        return [Finding("note", "TURN relay", sentence)]
    findings = []
    for url in urls:
        host, _, port = url.partition(":")[2].partition("?")[0].rpartition(":")
        try:
            await asyncio.get_running_loop().getaddrinfo(host or port, int(port) if host else 3478)
            findings.append(Finding("good", "TURN relay", f"{url} resolves"))
        except (OSError, ValueError):
            findings.append(Finding("bad", "TURN relay", f"{url} cannot be resolved"))
    if settings.coturn_address:
        found = shutil.which("turnserver")
        grade: Grade = "good" if found else "bad"
        findings.append(
            Finding(grade, "TURN relay", "coturn is installed" if found else "install the package coturn")
        )
    return findings


async def _address(settings: Settings) -> list[Finding]:
    url = urlsplit(public_url(settings, settings.port))
    if url.scheme != "https" and url.hostname not in LOOPBACK:
        sentence = f"{url.geturl()} is not https: browsers give no camera or microphone there (--tls)."
        return [Finding("bad", "public address", sentence)]
    server = None
    try:
        server = await asyncio.start_server(_ignore, settings.host, settings.port)
    except OSError:
        return [Finding("note", "public address", f"{url.geturl()}; port {settings.port} is in use")]
    finally:
        if server is not None:
            server.close()
            await server.wait_closed()
    return [Finding("good", "public address", url.geturl())]


async def _certificate(settings: Settings) -> list[Finding]:
    chain, _ = await certificate_files(settings, public_url(settings, settings.port))
    if chain is None:
        return []
    end = valid_until(chain)
    left = end - datetime.now(UTC)
    sentence = f"{chain}, valid until {end:%Y-%m-%d}"
    if left < timedelta():
        return [Finding("bad", "certificate", f"{chain} has expired; renew it, or leave it out for --tls.")]
    return [Finding("note" if left < EXPIRES_SOON else "good", "certificate", sentence)]


async def _ignore(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _pages(_: Settings) -> list[Finding]:
    if (DIST / "meet.html").is_file():
        return [Finding("good", "pages", "the meeting page is built")]
    return [Finding("bad", "pages", "the meeting page is not built: make setup")]
