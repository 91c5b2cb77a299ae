"""The opening handshake (RFC 6455 section 4), and who the client is behind a proxy."""

from __future__ import annotations

import base64
import binascii
import hashlib
import http
import ipaddress
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote

from parley.stream.sockets import Rejection, UpgradeRequest

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
MAX_PARAMS = 100
"""Query fields; more is an attack, no client."""

_Address = tuple[str, int] | None


class TrustedProxies:
    """Peers whose forwarding headers are believed.

    Addresses, networks, "unix" for unix sockets, "*" for all.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Raises ValueError for a name that is none of these."""
        listed = set(names)
        self._all = "*" in listed
        self._unix = self._all or "unix" in listed
        self._networks = [ipaddress.ip_network(name, strict=False) for name in listed - {"*", "unix"}]

    def trusts(self, host: str | None) -> bool:
        """Whether this peer may speak for others; None is a unix socket."""
        if host is None:
            return self._unix
        if self._all:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def client(self, peer: _Address, headers: Mapping[str, str]) -> _Address:
        """The nearest address in `X-Forwarded-For` that is not itself a trusted proxy; else the peer.

        Read from the right: what stands left of the first stranger was written by that stranger.
        """
        if not self.trusts(peer[0] if peer else None):
            return peer
        found = peer
        for entry in reversed(headers.get("x-forwarded-for", "").split(",")):
            host = _bare_host(entry.strip())
            if host is None:
                break
            found = (host, 0)
            if not self.trusts(host):
                break
        return found


def _bare_host(entry: str) -> str | None:
    """The address of `1.2.3.4`, `1.2.3.4:5`, `::1` or `[::1]:5`; None when it is none."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        return str(ipaddress.ip_address(entry))
    except ValueError:
        return None


def accept_key(key: str) -> str:
    """The answer to `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def parse_upgrade(
    head: bytes, *, peer: _Address, tls: bool, proxies: TrustedProxies
) -> UpgradeRequest | Rejection:
    """Read a request head, its empty line included; Rejection when it is no valid opening handshake."""
    lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
    except ValueError:
        return _bad("request line")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        if not line:
            break
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            return _bad("header line")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if method != "GET" or version != "HTTP/1.1":
        return _bad("method or version")
    refusal = _check(headers)
    if refusal is not None:
        return refusal
    path, _, query = target.partition("?")
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMS)
    except ValueError:
        return _bad("query")
    params: dict[str, str] = {}
    for name, value in fields:
        params.setdefault(name, value)
    trusted = proxies.trusts(peer[0] if peer else None)
    return UpgradeRequest(
        path=unquote(path),
        query=query,
        params=params,
        headers=headers,
        client=proxies.client(peer, headers),
        secure=tls or (trusted and headers.get("x-forwarded-proto", "").lower() in ("https", "wss")),
        subprotocols=tuple(words(headers.get("sec-websocket-protocol", ""))),
    )


def _check(headers: Mapping[str, str]) -> Rejection | None:
    if "upgrade" not in (word.lower() for word in words(headers.get("connection", ""))):
        return _bad("Connection header")
    if headers.get("upgrade", "").lower() != "websocket":
        return _bad("Upgrade header")
    if "host" not in headers:
        return _bad("Host header")
    if headers.get("sec-websocket-version") != "13":
        return Rejection(426, b"only WebSocket version 13 is spoken\n", {"Sec-WebSocket-Version": "13"})
    try:
        key = base64.b64decode(headers.get("sec-websocket-key", ""), validate=True)
    except binascii.Error:
        key = b""
    return None if len(key) == 16 else _bad("Sec-WebSocket-Key header")


def _bad(what: str) -> Rejection:
    return Rejection(400, f"not a valid WebSocket handshake: {what}\n".encode())


def words(value: str) -> list[str]:
    """The items of a comma-separated header value, without empty ones."""
    return [word for word in (part.strip() for part in value.split(",")) if word]


def switching_protocols(key: str, subprotocol: str | None, headers: Mapping[str, str]) -> bytes:
    """The 101 answer.

    Raises:
        ValueError: a header that would break the answer.
    """
    given = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_key(key)}
    if subprotocol is not None:
        given["Sec-WebSocket-Protocol"] = subprotocol
    return _head("101 Switching Protocols", {**given, **headers})


def plain_answer(rejection: Rejection) -> bytes:
    """A whole HTTP answer that ends the connection.

    Raises:
        ValueError: a header that would break the answer.
    """
    try:
        phrase = http.HTTPStatus(rejection.status).phrase
    except ValueError:
        phrase = ""
    names = {name.lower() for name in rejection.headers}
    extra = {"Content-Length": str(len(rejection.body)), "Connection": "close"}
    if "content-type" not in names:
        extra["Content-Type"] = "text/plain; charset=utf-8"
    return _head(f"{rejection.status} {phrase}", {**rejection.headers, **extra}) + rejection.body


def _head(status: str, headers: Mapping[str, str]) -> bytes:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or _UNSAFE.search(value):
            raise ValueError(f"not a header: {name!r}: {value!r}")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1")
