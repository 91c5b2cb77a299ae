"""RTMP from encoders outside: nginx with its RTMP module as child process.

nginx speaks RTMP and writes HLS; everything it has to decide it asks us, over HTTP on loopback. What is
pushed with a stream key is passed on inside nginx under another name (`Gatekeeper.admit`), so a key is never
a file name. The inner application has a name that nobody outside knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

import structlog

from parley.base.errors import ParleyError
from parley.media.child import DEFAULT_BACKOFF, Backoff, Child, Supervisor
from parley.media.ports import MediaUnavailable

log = structlog.get_logger(__name__)
INSTALL_HINT = (
    "Install the Debian packages `nginx` and `libnginx-mod-rtmp`; "
    "without them no RTMP can be pushed to live streams. Live streams of meetings do not need them."
)
MODULE_FOLDERS = (
    Path("/usr/lib/nginx/modules"),
    Path("/usr/lib64/nginx/modules"),
    Path("/usr/share/nginx/modules"),
    Path("/etc/nginx/modules"),
)
MODULE = "ngx_rtmp_module.so"
APPLICATION = "live"
FRAGMENT_S = 2
PLAYLIST_S = 12
READY_TIMEOUT_S = 10.0
ASKING_TIMEOUT_S = 10.0
HEAD_BYTES, BODY_BYTES = 8_192, 65_536


class Gatekeeper(Protocol):
    """Decides on what is pushed."""

    async def admit(self, key: str) -> str:
        """Under which name it goes on; raises `NotAllowed` for what is refused.

        The name is that of a file, and of a part of a URL.
        """
        ...

    async def goes_on(self, name: str) -> bool:
        """Asked every few seconds; False ends the connection."""
        ...

    async def ended(self, name: str) -> None:
        """Nothing is pushed under that name any more."""
        ...


@dataclass(frozen=True, slots=True)
class RtmpOptions:
    """How the child listens, and where it writes."""

    folder: Path
    """Below it each stream has a folder of its name, with `index.m3u8` and its segments."""
    address: str = "127.0.0.1"
    port: int = 1935
    binary: str | None = None
    """Path of nginx; None searches `PATH` and the folders of system programs."""
    module: Path | None = None
    asked_every_s: float = 2.0
    """How often a running stream is asked about."""


def missing(options: RtmpOptions) -> str | None:
    """What has to be installed, in plain words; None when nothing is missing."""
    if _binary(options) is None:
        return f"nginx is not installed. {INSTALL_HINT}"
    if _module(options) is None:
        return f"nginx has no RTMP module. {INSTALL_HINT}"
    return None


def _binary(options: RtmpOptions) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return shutil.which(options.binary or "nginx", path=path)


def _module(options: RtmpOptions) -> Path | None:
    if options.module is not None:
        return options.module if options.module.exists() else None
    return next((folder / MODULE for folder in MODULE_FOLDERS if (folder / MODULE).exists()), None)


def configuration(options: RtmpOptions, module: Path, runtime: Path, asked_at: str, inner: str) -> str:
    """The child's whole configuration.

    Args:
        options: how it listens.
        module: its RTMP module.
        runtime: a private folder.
        asked_at: address of our answers.
        inner: name of the application that writes.
    """
    host = f"[{options.address}]" if ":" in options.address else options.address
    return f"""\
load_module {_quoted(module)};
daemon off;
master_process off;
pid {_quoted(runtime / "nginx.pid")};
error_log stderr crit;  # lesser lines tell stream keys
events {{ worker_connections 1024; }}
rtmp {{
    server {{
        listen {host}:{options.port};
        max_message 4M;
        timeout 30s;
        application {APPLICATION} {{
            live on;
            record off;
            allow publish all;
            deny play all;
            drop_idle_publisher 10s;
            notify_method post;
            on_publish {asked_at};
            on_update {asked_at};
            on_publish_done {asked_at};
            notify_update_timeout {round(options.asked_every_s * 1000)}ms;
            notify_update_strict off;
        }}
        application {inner} {{
            live on;
            record off;
            deny play all;
            drop_idle_publisher 10s;
            hls on;
            hls_path {_quoted(options.folder)};
            hls_fragment {FRAGMENT_S}s;
            hls_playlist_length {PLAYLIST_S}s;
            hls_nested on;
            hls_continuous on;
            hls_cleanup on;
        }}
    }}
}}
"""


def _quoted(path: Path) -> str:
    text = str(path)
    if any(c in text for c in '"\\\n$'):
        raise MediaUnavailable(f"nginx cannot be given the path {text}.")
    return f'"{text}"'


class RtmpIngest:
    """A supervised nginx, and the answers to what it asks."""

    def __init__(self, options: RtmpOptions, keeper: Gatekeeper, backoff: Backoff = DEFAULT_BACKOFF) -> None:
        self._options = options
        self._keeper = keeper
        self._runtime: Path | None = None
        self._server: asyncio.Server | None = None
        self._path = f"/{secrets.token_urlsafe(24)}"
        self._asked_at = ""
        self._supervisor: Supervisor[Child] = Supervisor("nginx", self._bring_up, self._went_down, backoff)
        self._inner = secrets.token_hex(16)
        self._names: dict[str, str] = {}
        """What is pushed now: names by keys."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()

    @property
    def _host(self) -> str:
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._options.address, self._options.address)  # noqa: S104
        return f"[{address}]:{self._options.port}" if ":" in address else f"{address}:{self._options.port}"

    @property
    def pid(self) -> int | None:
        """Of the running child."""
        return None if self._supervisor.current is None else self._supervisor.current.pid

    async def open(self) -> None:
        """Bring it up if it is not up, and keep it up.

        Raises:
            MediaUnavailable: not installed, or its port is taken; the message says what to do.
        """
        async with self._opening:
            if self._runtime is not None:
                return
            if self._options.port == 0:
                raise MediaUnavailable("This server takes no RTMP (--rtmp-port 0).")
            why = missing(self._options)
            if why is not None:
                raise MediaUnavailable(why)
            try:
                self._runtime = Path(tempfile.mkdtemp(prefix="parley-rtmp-"))  # mode 0700
                self._options.folder.mkdir(parents=True, exist_ok=True)
                self._server = await asyncio.start_server(self._asked, "127.0.0.1", 0, limit=HEAD_BYTES)
                port = self._server.sockets[0].getsockname()[1]
                self._asked_at = f"http://127.0.0.1:{port}{self._path}"
                await self._supervisor.start()
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """End every stream that is pushed, and the child; may be called twice."""
        await self._supervisor.stop()
        if self._server is not None:
            self._server.close()
            self._server = None
        self._went_down()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            await asyncio.to_thread(shutil.rmtree, runtime, ignore_errors=True)

    def _went_down(self) -> None:
        """Everything that was pushed has ended."""
        names, self._names = self._names, {}
        for name in names.values():
            self._spawn(self._keeper.ended(name))

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring_up(self) -> Child:
        binary, module = _binary(self._options), _module(self._options)
        if binary is None or module is None:
            raise MediaUnavailable(missing(self._options) or INSTALL_HINT)
        assert self._runtime is not None
        _require_free_port(self._options.address, self._options.port)  # nginx itself would try for seconds
        file = self._runtime / "nginx.conf"
        file.write_text(configuration(self._options, module, self._runtime, self._asked_at, self._inner))
        child = await Child.spawn("nginx", [binary, "-p", str(self._runtime), "-c", str(file)])
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while child.exit_code is None:
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection(self._options.address, self._options.port)
                        writer.close()
                        return child
                    await asyncio.sleep(0.02)
        except TimeoutError as late:
            await child.stop()
            raise MediaUnavailable(f"nginx did not listen within {READY_TIMEOUT_S:g} s.") from late
        except BaseException:
            await child.stop()
            raise
        await asyncio.sleep(0.05)
        said = " ".join(list(child.last_lines)[-2:])
        await child.stop()
        raise MediaUnavailable(
            f"nginx cannot take RTMP on {self._options.address} port {self._options.port}: "
            f"{said or f'it ended with code {child.exit_code}'}"
        )

    # --- what it asks -----------------------------------------------------------------------------

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASKING_TIMEOUT_S):
                status, location = await self._answer(reader)
                writer.write(
                    f"HTTP/1.0 {status}\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
                )
                await writer.drain()
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # nginx takes no answer for a refusal
        except Exception:
            log.exception("rtmp_question_failed")
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[str, str]:
        """Status line and further header."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, *_ = [*head[0].split(" "), "", ""]
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        length = int(fields.get("content-length", "0"))
        if method != "POST" or not secrets.compare_digest(path.partition("?")[0], self._path):
            return "404 Not Found", ""
        if not 0 <= length <= BODY_BYTES:
            return "413 Content Too Large", ""
        form = dict(parse_qsl((await reader.readexactly(length)).decode("latin-1")))
        key = form.get("name", "")
        match form.get("call"):
            case "publish":
                try:
                    name = await self._keeper.admit(key)
                except ParleyError as refused:
                    log.info("rtmp_refused", address=form.get("addr"), reason=refused.message)
                    return "403 Forbidden", ""
                self._names[key] = name
                return "302 Found", f"Location: rtmp://{self._host}/{self._inner}/{name}\r\n"
            case "update_publish":
                goes_on = key in self._names and await self._keeper.goes_on(self._names[key])
                return ("204 No Content" if goes_on else "403 Forbidden"), ""
            case "update" | "update_play":  # of the way inside
                return "204 No Content", ""
            case "publish_done":
                if key in self._names:
                    await self._keeper.ended(self._names.pop(key))
                return "204 No Content", ""
        return "403 Forbidden", ""


def _require_free_port(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise MediaUnavailable(
                f"RTMP cannot be taken on {address} port {port}: {error.strerror}."
            ) from error


async def _logged(work: object) -> None:
    try:
        await work  # type: ignore[misc]
    except Exception:
        log.exception("rtmp_stream_not_ended")
