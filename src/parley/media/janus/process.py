"""Finding, starting and stopping the Janus program."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import sysconfig
import tempfile
from pathlib import Path

from parley.media.child import Child
from parley.media.janus.config import JanusOptions, JanusSecrets, write_configuration
from parley.media.ports import MediaUnavailable

INSTALL_HINT = (
    "Install the Debian package `janus` (apt install janus), or name the program in the settings; "
    "without it nobody can send or receive audio and video."
)
READY_TIMEOUT_S = 15.0
"""Janus answers 0.1 s after the start on an idle machine."""
_MAX_SOCKET_PATH_BYTES = 107  # sun_path of unix(7) without its end mark
_SOCKET_NAME = "control.sock"
_LEVELS = {"[FATAL]": logging.ERROR, "[ERR]": logging.WARNING, "[WARN]": logging.INFO}


def find_binary(options: JanusOptions) -> str:
    """The program's path.

    Raises:
        MediaUnavailable: not installed; says which package to install.
    """
    wanted = options.binary or "janus"
    found = shutil.which(wanted)
    if found is None:
        where = f"{wanted} does not exist" if options.binary else "The media engine Janus is not installed"
        raise MediaUnavailable(f"{where}. {INSTALL_HINT}")
    return found


def find_libraries(options: JanusOptions, binary: str) -> Path:
    """The folder that holds the plugins and transports of this installation.

    Raises:
        MediaUnavailable: none of the usual places has the VideoRoom plugin.
    """
    if options.library_folder is not None:
        places = [options.library_folder]
    else:
        prefix = Path(binary).resolve().parent.parent
        triplet = sysconfig.get_config_var("MULTIARCH")
        places = [prefix / "lib" / triplet / "janus"] if triplet else []
        places += [prefix / "lib" / "janus", prefix / "lib64" / "janus"]
        places += sorted(prefix.glob("lib/*-linux-gnu*/janus"))
    for place in places:
        needed = (
            place / "plugins" / "libjanus_videoroom.so",
            place / "transports" / "libjanus_websockets.so",
        )
        if all(path.exists() for path in needed):
            return place
    looked = ", ".join(str(place) for place in places)
    raise MediaUnavailable(
        f"Janus is there, but its VideoRoom plugin or WebSocket transport is missing (looked in {looked})."
    )


def private_folder(options: JanusOptions) -> Path:
    """A new folder that only we may enter, with a path short enough for a unix socket."""
    parent = options.runtime_folder
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
        room_for_name = len("/parley-janus-12345678/") + len(_SOCKET_NAME)
        if len(os.fsencode(parent.resolve())) + room_for_name > _MAX_SOCKET_PATH_BYTES:
            parent = None
    folder = Path(tempfile.mkdtemp(prefix="parley-janus-", dir=parent))  # mode 0700
    if len(os.fsencode(folder / _SOCKET_NAME)) > _MAX_SOCKET_PATH_BYTES:  # TMPDIR itself is long
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="parley-janus-", dir="/tmp"))
    return folder.resolve()


async def check_version(binary: str) -> None:
    """Refuse a Janus without the multistream VideoRoom, before it is started.

    Raises:
        MediaUnavailable: older than 1.0, or the program is not Janus.
    """
    process = await asyncio.create_subprocess_exec(
        binary, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), READY_TIMEOUT_S)
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise MediaUnavailable(f"{binary} --version did not end.") from error
    text = output.decode("utf-8", "replace")
    match = re.search(r"Janus version:\s*\d+\s*\((\d+)\.(\d+)", text)
    if match is None:
        raise MediaUnavailable(f"{binary} does not tell a Janus version, so it cannot be used.")
    require_version(f"{match[1]}.{match[2]}")


def require_version(version: str) -> None:
    """Check a version text such as "1.1.2".

    Raises:
        MediaUnavailable: older than 1.0.
    """
    major = version.split(".")[0]
    if not major.isdigit() or int(major) < 1:
        raise MediaUnavailable(
            f"Janus {version} is too old: version 1.0 or newer is needed (multistream VideoRoom)."
        )


class JanusProcess:
    """One run of Janus with its private folder."""

    def __init__(self, child: Child, folder: Path, keys: JanusSecrets) -> None:
        self.child = child
        self.folder = folder
        self.socket_path = folder / _SOCKET_NAME
        self.keys = keys

    @classmethod
    async def start(cls, options: JanusOptions) -> JanusProcess:
        """Start Janus and return when its control socket accepts connections.

        Raises:
            MediaUnavailable: not installed, too old, or ended at once; the message says what to do.
        """
        binary = find_binary(options)
        libraries = find_libraries(options, binary)
        await check_version(binary)
        folder = private_folder(options)
        keys = JanusSecrets()
        try:
            main = write_configuration(folder, folder / _SOCKET_NAME, libraries, options, keys)
            child = await Child.spawn(
                "janus", [binary, "-F", str(folder), "-C", str(main)], level_of=_level_of
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        process = cls(child, folder, keys)
        try:
            await process._wait_until_ready()
        except BaseException:
            await process.stop()
            raise
        return process

    async def wait(self) -> None:
        """Return when Janus has ended."""
        await self.child.wait()

    async def stop(self) -> None:
        """End Janus and remove the folder with its socket; may be called twice."""
        try:
            await self.child.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _wait_until_ready(self) -> None:
        ready = asyncio.create_task(self._socket_accepts())
        ended = asyncio.create_task(self.child.wait())
        try:
            await asyncio.wait({ready, ended}, timeout=READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                return
            said = " ".join(list(self.child.last_lines)[-3:])
            if ended.done():
                raise MediaUnavailable(
                    f"Janus ended at once with code {self.child.exit_code}: {said or 'no output'}",
                )
            raise MediaUnavailable(
                f"Janus did not open its control socket within {READY_TIMEOUT_S:.0f} s: {said}"
            )
        finally:
            ready.cancel()
            ended.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def _socket_accepts(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(self.socket_path)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return


def _level_of(line: str) -> int:
    if "has been disabled" in line:  # by our own configuration
        return logging.DEBUG
    return next((level for mark, level in _LEVELS.items() if mark in line), logging.DEBUG)
