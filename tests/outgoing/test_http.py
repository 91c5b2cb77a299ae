"""The outgoing client goes only where its policy lets it, whatever the address looks like."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.outgoing.ports import AddressRefused, OutgoingError
from tests.webhooks.receiver import Receiver, close, status

PUBLIC_ONLY = OutgoingPolicy(allow_private=False)
ANY = OutgoingPolicy()

ALWAYS_REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "::ffff:0.0.0.0",
]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "::1",
    "fd12:3456::1",
    "fc00::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::1",
]
PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]


@asynccontextmanager
async def client(policy: OutgoingPolicy) -> AsyncIterator[OutgoingHttp]:
    made = OutgoingHttp(policy)
    try:
        yield made
    finally:
        await made.close()


async def refused(policy: OutgoingPolicy, url: str) -> None:
    async with client(policy) as http:
        with pytest.raises(AddressRefused):
            await http.request("POST", url, timeout_s=30)


@pytest.mark.parametrize("address", ALWAYS_REFUSED)
def test_some_addresses_are_refused_by_every_policy(address: str) -> None:
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    assert not OutgoingPolicy(True, everything).allows(ip_address(address))
    assert not OutgoingPolicy(False, everything).allows(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_private_addresses_are_refused_unless_allowed(address: str) -> None:
    assert not PUBLIC_ONLY.allows(ip_address(address))
    assert ANY.allows(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert PUBLIC_ONLY.allows(ip_address(address))


def test_a_listed_network_is_allowed_and_its_neighbours_are_not() -> None:
    policy = OutgoingPolicy(False, [ip_network("10.1.0.0/16")])
    assert policy.allows(ip_address("10.1.2.3"))
    assert policy.allows(ip_address("::ffff:10.1.2.3"))
    assert not policy.allows(ip_address("10.2.0.1"))


INWARD = [
    "127.0.0.1",
    "localhost",
    "localhost.",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "user:secret@127.0.0.1",
    "\uff11\uff12\uff17.0.0.1",
]


@pytest.mark.parametrize("host", INWARD)
def test_no_spelling_of_the_loopback_is_written_down(host: str) -> None:
    name = urlsplit(f"http://{host}:80/").hostname
    assert name is not None
    assert not PUBLIC_ONLY.allows_host(name)
    assert ANY.allows_host(name)


@pytest.mark.parametrize(
    "host", ["hooks.example", "1.1.1.1", "2606:4700:4700::1111", "a" * 70, "127.0.0.1.example"]
)
def test_names_are_looked_at_when_they_are_used(host: str) -> None:
    assert PUBLIC_ONLY.allows_host(host)


@pytest.mark.parametrize("host", INWARD)
async def test_no_spelling_of_the_loopback_gets_through(endpoint: Receiver, host: str) -> None:
    port = endpoint.url.split(":")[2].split("/")[0]
    async with client(PUBLIC_ONLY) as http:
        with pytest.raises((AddressRefused, OutgoingError)):  # some resolvers do not know some of them
            await http.request("POST", f"http://{host}:{port}/hook", timeout_s=30)
    assert endpoint.received == []


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://0.0.0.0:80/",
        "http://[::]/",
        "http://[fe80::1%25lo]/",
        "http://2852039166/",
        "http://224.0.0.1/",
    ],
)
async def test_metadata_services_are_out_of_reach_by_default(url: str) -> None:
    await refused(ANY, url)


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "/hook", "http://[bad/"]
)
async def test_what_is_not_http_is_refused(url: str) -> None:
    await refused(ANY, url)


async def test_a_name_is_checked_by_what_it_resolves_to_when_connecting(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: a name that was public when it was registered points inside when it is used."""
    port = int(endpoint.url.split(":")[2].split("/")[0])

    def resolve(host, port, *args, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("parley.outgoing.http.socket.getaddrinfo", resolve)
    await refused(PUBLIC_ONLY, f"http://hooks.example:{port}/hook")
    assert endpoint.received == []


async def test_of_several_addresses_only_allowed_ones_are_tried(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(endpoint.url.split(":")[2].split("/")[0])

    def resolve(host, port, *args, **kwargs):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("169.254.169.254", "127.0.0.1")
        ]

    monkeypatch.setattr("parley.outgoing.http.socket.getaddrinfo", resolve)
    async with client(ANY) as http:
        answer = await http.request("POST", f"http://hooks.example:{port}/hook", timeout_s=30)
    assert answer.status == 200


async def test_redirects_are_answers(endpoint: Receiver, http: OutgoingHttp) -> None:
    endpoint.respond = status(307, {"Location": "http://127.0.0.1:1/secret"})
    answer = await http.request("POST", endpoint.url, body=b"x", timeout_s=30)
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:1/secret")
    assert len(endpoint.received) == 1


async def test_proxy_variables_are_not_read(
    endpoint: Receiver, http: OutgoingHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await http.request("GET", endpoint.url, timeout_s=30)).status == 200


async def test_cookies_are_not_kept(endpoint: Receiver, http: OutgoingHttp) -> None:
    endpoint.respond = status(200, {"Set-Cookie": "session=1"})
    await http.request("GET", endpoint.url, timeout_s=30)
    await http.request("GET", endpoint.url, timeout_s=30)
    assert "cookie" not in endpoint.received[1].headers


async def test_connections_are_used_again(endpoint: Receiver, http: OutgoingHttp) -> None:
    peers = set()

    async def note(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(text="thanks")

    endpoint.respond = note
    for _ in range(3):
        await http.request("POST", endpoint.url, body=b"x", timeout_s=30)
    assert len(peers) == 1


async def test_an_answer_is_read_up_to_its_limit(endpoint: Receiver, http: OutgoingHttp) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    endpoint.respond = endless
    answer = await http.request("GET", endpoint.url, timeout_s=5, max_body_bytes=100_000)
    assert (answer.status, len(answer.body), answer.is_complete) == (200, 100_000, False)


async def test_a_status_counts_even_if_its_body_does_not_come(endpoint: Receiver, http: OutgoingHttp) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        return await endpoint.hang(request)

    endpoint.respond = half
    answer = await http.request("GET", endpoint.url, timeout_s=0.2)
    assert (answer.status, answer.is_complete) == (200, False)


@pytest.mark.parametrize("how", ["hang", "close"])
async def test_no_answer_is_an_error_in_time(endpoint: Receiver, http: OutgoingHttp, how: str) -> None:
    endpoint.respond = close if how == "close" else endpoint.hang
    with pytest.raises(OutgoingError):
        await http.request("POST", endpoint.url, body=b"x", timeout_s=0.1)


async def test_a_refused_connection_is_an_error(http: OutgoingHttp) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(OutgoingError):
            await http.request("POST", f"http://127.0.0.1:{unused.getsockname()[1]}/", timeout_s=30)


async def test_an_unknown_name_is_an_error(http: OutgoingHttp) -> None:
    with pytest.raises(OutgoingError):
        await http.request("POST", "http://no-such-name.invalid/", timeout_s=30)


async def test_a_certificate_nobody_vouches_for_is_an_error(http: OutgoingHttp, endpoint: Receiver) -> None:
    with pytest.raises(OutgoingError):
        await http.request("POST", endpoint.url.replace("http:", "https:"), timeout_s=30)


async def test_a_name_server_that_does_not_answer_holds_up_nobody_else(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking names up must not take the threads in which the database commits."""
    look_up = socket.getaddrinfo
    over = threading.Event()

    def resolve(host, *args, **kwargs):
        if "dead" in host:
            over.wait(60)
        return look_up("127.0.0.1" if "dead" not in host else "no-such-name.invalid", *args, **kwargs)

    monkeypatch.setattr("parley.outgoing.http.socket.getaddrinfo", resolve)
    port = endpoint.url.split(":")[2].split("/")[0]
    async with client(ANY) as http, asyncio.TaskGroup() as tasks:

        async def ask(number: int) -> None:
            with pytest.raises(OutgoingError):
                await http.request("POST", f"http://dead{number}.example/", timeout_s=0.2)

        try:
            for number in range(20):
                tasks.create_task(ask(number))
            await asyncio.sleep(0)
            answer = await http.request("POST", f"http://alive.example:{port}/hook", timeout_s=30)
            assert answer.status == 200
            await asyncio.wait_for(asyncio.to_thread(lambda: None), timeout=30)
        finally:
            over.set()
