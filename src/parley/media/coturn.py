"""A TURN relay of our own: coturn as child process.

The relay reaches nothing but the media engine: every peer address is denied except those given, so a
participant cannot use it to get at other machines. The secret stands in a private file, not on the
command line, where every user of the machine could read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import shutil
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from parley.base.errors import Invalid
from parley.media.child import DEFAULT_BACKOFF, Backoff, Child, Supervisor
from parley.media.ports import MediaUnavailable

INSTALL_HINT = (
    "Install the Debian package `coturn` (apt install coturn); "
    "without a relay, participants behind strict firewalls cannot connect."
)
READY_TIMEOUT_S = 10.0
_EVERYTHING = ("0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")


@dataclass(frozen=True, slots=True)
class CoturnOptions:
    """How the relay listens and what it may reach."""

    address: str
    """IP address of this machine to listen on and relay from."""
    media_addresses: tuple[str, ...]
    """IP addresses of the media engine, the only peers that may be reached."""
    secret: str = field(repr=False)
    """Shared with `turn.IceOptions.secret`."""
    realm: str = "parley"
    port: int = 3478
    relay_ports: tuple[int, int] = (49160, 49359)
    """First and last UDP port; each participant takes one or two."""
    public_address: str | None = None
    """What browsers reach `address` as, when a router or cloud translates it."""
    user_quota: int = 12
    """Allocations of one credential at a time; a browser makes two per connection and network."""
    total_quota: int = 1200
    max_bytes_per_s: int = 1_000_000
    """Of one allocation, each way."""
    certificate: Path | None = None
    private_key: Path | None = None
    binary: str | None = None
    """Path of the program; None searches `PATH`."""

    def __post_init__(self) -> None:
        for address in (self.address, *self.media_addresses, self.public_address or self.address):
            try:
                ipaddress.ip_address(address)
            except ValueError as error:
                raise Invalid(f"{address!r} is not an IP address.", field="address") from error
        if len(self.secret) < 16 or not self.secret.isascii() or not self.secret.isalnum():
            raise Invalid("The relay's secret must be 16 or more ASCII letters and digits.", field="secret")
        if not self.realm or not all(c.isalnum() or c in ".-" for c in self.realm):
            raise Invalid("The relay's realm must look like a host name.", field="realm")
        first, last = self.relay_ports
        if not 1024 <= first <= last <= 65535 or not 1 <= self.port <= 65535:
            raise Invalid("The relay's ports are out of range.", field="relay_ports")
        if (self.certificate is None) != (self.private_key is None):
            raise Invalid("TLS needs both a certificate and a private key.", field="certificate")


def configuration(options: CoturnOptions, folder: Path) -> str:
    """The text of coturn's configuration file; the folder is for its own files."""
    first, last = options.relay_ports
    external = f"{options.public_address}/{options.address}" if options.public_address else None
    lines = [
        f"listening-ip={options.address}",
        f"relay-ip={options.address}",
        *([f"external-ip={external}"] if external else []),
        f"listening-port={options.port}",
        f"min-port={first}",
        f"max-port={last}",
        "use-auth-secret",
        f"static-auth-secret={options.secret}",
        f"realm={options.realm}",
        "fingerprint",
        "stale-nonce=600",
        f"user-quota={options.user_quota}",
        f"total-quota={options.total_quota}",
        f"max-bps={options.max_bytes_per_s}",
        "no-multicast-peers",
        "no-tcp-relay",
        *(f"denied-peer-ip={addresses}" for addresses in _EVERYTHING),
        *(f"allowed-peer-ip={address}" for address in options.media_addresses),
        "no-cli",
        "no-software-attribute",
        f"userdb={folder / 'turndb'}",
        f"pidfile={folder / 'pid'}",
        "log-file=stdout",
        "simple-log",
    ]
    if options.certificate is not None:
        lines += [f"cert={options.certificate}", f"pkey={options.private_key}"]
    else:
        lines += ["no-tls", "no-dtls"]
    return "\n".join((*lines, ""))


class CoturnProcess:
    """A supervised relay: restarted whenever it ends, until stopped."""

    def __init__(self, options: CoturnOptions, backoff: Backoff = DEFAULT_BACKOFF) -> None:
        self._options = options
        self._folder: Path | None = None
        self._supervisor: Supervisor[Child] = Supervisor("coturn", self._bring_up, lambda: None, backoff)

    @property
    def urls(self) -> tuple[str, ...]:
        """The relay as browsers are to be told."""
        options = self._options
        host = options.public_address or options.address
        host = f"[{host}]" if ":" in host else host
        return tuple(f"turn:{host}:{options.port}?transport={transport}" for transport in ("udp", "tcp"))

    @property
    def is_running(self) -> bool:
        """Whether the relay is up right now."""
        return self._supervisor.current is not None

    @property
    def pid(self) -> int | None:
        """Of the running relay."""
        return None if self._supervisor.current is None else self._supervisor.current.pid

    async def start(self) -> None:
        """Bring the relay up and keep it up.

        Raises:
            MediaUnavailable: not installed, or its port is taken; the message says what to do.
        """
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="parley-coturn-"))  # mode 0700
        try:
            await self._supervisor.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the relay and every connection through it; may be called twice."""
        await self._supervisor.stop()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    async def _bring_up(self) -> Child:
        options = self._options
        binary = shutil.which(options.binary or "turnserver")
        if binary is None:
            raise MediaUnavailable(f"The relay coturn is not installed. {INSTALL_HINT}")
        _require_free_port(options.address, options.port)
        assert self._folder is not None
        file = self._folder / "turnserver.conf"
        file.write_text(configuration(options, self._folder))
        child = await Child.spawn("coturn", [binary, "-c", str(file)])
        try:
            await self._wait_until_ready(child)
        except BaseException:
            await child.stop()
            raise
        return child

    async def _wait_until_ready(self, child: Child) -> None:
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while child.exit_code is None:
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection(self._options.address, self._options.port)
                        writer.close()
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise MediaUnavailable(f"coturn did not listen within {READY_TIMEOUT_S:g} s.") from error
        said = " ".join(list(child.last_lines)[-3:])
        raise MediaUnavailable(f"coturn ended at once with code {child.exit_code}: {said or 'no output'}")


def _require_free_port(address: str, port: int) -> None:
    """Say plainly that the port is taken; coturn itself would go on with what it got."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                raise MediaUnavailable(
                    f"The relay cannot listen on {address} port {port}: {error.strerror}."
                ) from error
