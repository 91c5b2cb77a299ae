"""The one HTTP client for addresses that customers choose (`design.md` section 7).

The address is checked when the socket is made, for each address that is tried: after name resolution, so that
neither a name that resolves differently the second time (DNS rebinding) nor a number written in another way
(`2130706433`, `0x7f.1`, `::ffff:127.0.0.1`) leads around the check. Redirects are not followed, nothing is
read from proxy variables, cookies are not kept, time and size are bounded.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from parley.base.errors import ParleyError
from parley.outgoing.ports import AddressRefused, Answer, OutgoingError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this host": Linux connects it to the loopback
        "169.254.0.0/16",  # link-local, with the metadata services of most clouds
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "192.0.0.192/32",  # metadata of Oracle Cloud
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, with the broadcast address
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "fd00:ec2::/32",  # metadata and time of AWS
    )
)
"""Refused whatever the policy says."""
_LOCAL_NAMES = ("localhost", "localhost.localdomain")
_NAT64 = IPv6Network("64:ff9b::/96")
DNS_THREADS = 32
"""Of our own: a name server that does not answer must not take the threads in which commits run."""
IDLE_CONNECTION_S = 15.0
MAX_BODY_BYTES = 64 * 1024
NOT_PUBLIC = "This server calls public addresses only (its operator can allow others: --private-outgoing)."
"""Says why a URL that a customer wrote down is refused."""
REFUSED = "the address is not allowed by the outgoing policy"


@dataclass(frozen=True, slots=True)
class OutgoingPolicy:
    """Where outgoing HTTP may go."""

    allow_private: bool = True
    """Whether addresses that are not public (loopback, RFC 1918, …) are allowed (`realtimekit.md` 14.1)."""
    allowed_networks: Sequence[Network] = ()
    """Allowed although not public. What is in `NEVER` stays refused."""

    def allows(self, address: Address) -> bool:
        """Whether a connection to that address may be opened."""
        return all(self._allows(one) for one in _meanings(address))

    def allows_host(self, host: str) -> bool:
        """Whether a URL with that host may be written down.

        A number is looked at, in every spelling that resolvers take (`127.1`, `0x7f000001`). What a name
        stands for can change: that is looked at for each connection.
        """
        host = host.rstrip(".")
        if host in _LOCAL_NAMES or host.endswith(".localhost"):
            host = "127.0.0.1"
        try:
            found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            return True
        return all(self.allows(ip_address(str(one[4][0]).partition("%")[0])) for one in found)

    def _allows(self, address: Address) -> bool:
        if any(address in network for network in NEVER):
            return False
        if self.allow_private or address.is_global:
            return True
        return any(address in network for network in self.allowed_networks)


def _meanings(address: Address) -> list[Address]:
    """The address, or the IPv4 addresses it can stand for."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    found: list[Address] = [address]
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if address in _NAT64:
        found = [IPv4Address(address.packed[-4:])]
    elif int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, deprecated by RFC 4291
        found.append(IPv4Address(address.packed[-4:]))
    return found


class _RefusedError(OSError):
    """Raised while connecting; aiohttp hands it on inside its own error."""


class _Resolver(AbstractResolver):
    """The system's resolver in threads of our own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="outgoing-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, look)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class OutgoingHttp:
    """Sends requests to the addresses a policy allows.

    Open connections are bounded by the callers, which all bound what they do at once: a limit here would let
    those who wait for a dead server hold up everybody else.
    """

    def __init__(
        self, policy: OutgoingPolicy, *, tls: ssl.SSLContext | None = None, agent: str = "Parley"
    ) -> None:
        """Prepare; connections are opened when needed.

        Args:
            policy: where requests may go.
            tls: verifies servers; by default the system's authorities and the host name.
            agent: `User-Agent` of every request.
        """
        self._policy = policy
        self._tls = tls
        self._agent = agent
        self._session: aiohttp.ClientSession | None = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=IDLE_CONNECTION_S,
                resolver=_Resolver(),
                ssl=self._tls if self._tls is not None else True,
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                headers={"User-Agent": self._agent, "Accept-Encoding": "identity"},
            )
        return self._session

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, address = info
        target = ip_address(str(address[0]).partition("%")[0])
        if not self._policy.allows(target):
            raise _RefusedError(REFUSED)
        return socket.socket(family, kind, proto)

    async def close(self) -> None:
        """Close every connection; requests under way fail."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> Answer:
        """Send a request and read the answer; redirects are answers.

        Args:
            method: HTTP method.
            url: http or https.
            headers: of the request.
            body: sent as it is.
            timeout_s: for all of it. Once the status has come there is an answer, even when the body has not.
            max_body_bytes: of the answer's body; the connection is closed when it is longer.

        Raises:
            AddressRefused: the policy forbids every address of the host, or the URL is not one of HTTP.
            OutgoingError: no answer came.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._opened().request(
                    method, url, data=body, headers=headers, allow_redirects=False
                )
        except TimeoutError as late:
            raise OutgoingError(f"no answer within {timeout_s:g} s") from late
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as wrong:
            raise AddressRefused(f"not a usable http or https URL: {wrong}") from wrong
        except (aiohttp.ClientError, OSError) as failed:
            raise _translated(failed) from failed
        content, is_complete = b"", False
        try:
            async with asyncio.timeout_at(deadline):
                content, is_complete = await _read(response, max_body_bytes)
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # the status counts, and it came
        finally:
            if is_complete:
                response.release()
            else:
                response.close()
        return Answer(response.status, response.headers, content, is_complete)


async def _read(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit:
            return bytes(content[:limit]), False
    return bytes(content), True


def _translated(failed: BaseException) -> ParleyError:
    seen: BaseException | None = failed
    while seen is not None:
        if isinstance(seen, _RefusedError):
            return AddressRefused(REFUSED)
        seen = seen.__cause__ or seen.__context__
    was_connected = not isinstance(failed, aiohttp.ClientConnectorError)
    return OutgoingError(f"{type(failed).__name__}: {failed}"[:500], may_have_arrived=was_connected)
