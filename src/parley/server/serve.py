"""Running the server: one listening socket, REST, sockets and pages on it, until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import shlex
import signal
import socket
import ssl
from collections.abc import Iterator

import click
import uvicorn

from parley import __version__
from parley.base.errors import ParleyError
from parley.base.settings import Settings, default_data_folder
from parley.server.app import Parley
from parley.server.demo import Demo
from parley.server.tls import certificate_files
from parley.stream.http import HttpProtocol
from parley.stream.websocket import websocket_protocol

BACKLOG = 4096
GRACEFUL_S = 5
GC_YOUNG_OBJECTS = 10_000
"""New containers before the garbage collector looks at them; 700 by default, which costs 4 % of a request."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class CannotListen(ParleyError):
    """The address is taken or not ours."""

    code = "cannot_listen"


def listen(host: str, port: int) -> socket.socket:
    """A bound socket.

    Raises:
        CannotListen: says why.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as refused:
        raise CannotListen(
            f"Cannot listen on {host}:{port} ({refused.strerror}). Choose another port with --port."
        ) from refused
    bound.setblocking(False)
    return bound


def raise_file_limit() -> None:
    """Every connection is a file; the usual soft limit of 1,024 is too low for a server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def public_url(settings: Settings, port: int) -> str:
    """Where browsers reach the server."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.tls or settings.tls_certificate else "http"
    # Browsers give camera and microphone only to https pages and to localhost.
    anywhere = settings.host in LOOPBACK or settings.host in ("0.0.0.0", "::")  # noqa: S104
    host = "localhost" if anywhere else settings.host
    return f"{scheme}://{host}:{port}"


def data_option(settings: Settings) -> str:
    """What other commands need to work on the same data, with a space in front."""
    is_usual = settings.folder.absolute() == default_data_folder().absolute()
    return "" if is_usual else f" --data {shlex.quote(str(settings.folder))}"


async def serve(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        ParleyError: the server cannot start; the message says what to do.
    """
    raise_file_limit()
    bound = listen(settings.host, settings.port)
    url = public_url(settings, bound.getsockname()[1])
    certificate, key = await certificate_files(settings, url)
    async with Parley(settings, url) as parley:
        config = uvicorn.Config(
            parley.asgi,
            http=HttpProtocol,
            ws=websocket_protocol(parley.socket_routes(), trusted_proxies=settings.trusted_proxies),
            interface="asgi3",
            lifespan="off",
            loop="uvloop",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=GRACEFUL_S,
            backlog=BACKLOG,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )
        server = _Server(config, parley)
        await server.serve(sockets=[bound])


class _Server(uvicorn.Server):
    """Says where it is once it listens."""

    def __init__(self, config: uvicorn.Config, parley: Parley) -> None:
        super().__init__(config)
        self._parley = parley

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal, and end as a program that did its work.

        uvicorn's own way raises the signal again after stopping, which would end the process before
        everything else is closed.
        """
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then print the addresses."""
        await super().startup(sockets=sockets)
        if self.started:
            await print_banner(self._parley)
            # What has been imported and opened stays: collections need not look at it again.
            gc.collect()
            gc.freeze()
            # A request makes some hundred objects and nearly no cycles.
            gc.set_threshold(GC_YOUNG_OBJECTS, 10, 10)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell clients what uvicorn's own closing of their sockets could not, then stop as it does."""
        await self._parley.block.sockets.drain()
        await super().shutdown(sockets=sockets)


async def print_banner(parley: Parley) -> None:
    """Tell a newcomer what to open and what to do next."""
    url = parley.public_url
    say = click.echo
    say(f"\nParley {__version__} is running.\n")
    say(f"  Start page      {url}/")
    say(f"  API reference   {url}/docs/api")
    if parley.settings.demo:
        demo = await Demo(parley.scope, parley.tokens).create("Demo meeting", "group_call")
        say("\n  A demo meeting is ready. Open these in two browsers (or a browser and a private window):")
        for link in demo.links[:2]:
            say(f"    {link.role:<12}  {url}/meet#token={link.token}")
    first = parley.first_start
    create = f"parley keys create{data_option(parley.settings)}"
    say(f"\n  Real Time Block {url}/v1/realtime (keys: {create} --dialect block)")
    say(f"  RealtimeKit API {url}{parley.settings.api_prefix}")
    say(f"  Account id      {first.organization_id}")
    if first.token:
        say(f"  API token       {first.token}")
        say(f"                  Keep it: it is shown only now. More: {create}")
    else:
        say(f"  API tokens      {create}")
    if parley.media_problem:
        say(f"\n  No audio or video: {parley.media_problem}")
        say("  Everything else works. `parley doctor` tells more.")
    say(f"\n  Data            {parley.settings.folder}")
    say("  Stop            Ctrl+C\n")
