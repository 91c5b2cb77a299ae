"""Finding, starting and stopping the Janus program."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import signal
import sysconfig
from pathlib import Path

from parley.media.child import Child
from parley.media.janus.config import JanusOptions, JanusSecrets, write_configuration
from parley.media.janus.folder import PrivateFolder
from parley.media.ports import MediaUnavailable

INSTALL_HINT = (
    "Install the Debian package `janus` (apt install janus), or name the program in the settings; "
    "without it nobody can send or receive audio and video."
)
READY_TIMEOUT_S = 15.0
"""Janus answers 0.1 s after the start on an idle machine."""
_LEVELS = {"[FATAL]": logging.CRITICAL, "[ERR]": logging.ERROR, "[WARN]": logging.WARNING}
_EVERYDAY = (
    " has been disabled",  # our own configuration
    "Reclaim session timeouts have been disabled",  # so too
    "Couldn't access logger plugins folder",  # nor do we want any; the build of our own has no such folder
    "Data Channels support not compiled",  # nor do we use any
    "you didn't specify any STUN server",  # `parley doctor` tells of private addresses
    "Couldn't find any address!",  # the server says so in its own words
    "Hashing algorithm not the one we expected",  # fingerprints that some clients add to the usual one
    "Failed to add some remote candidates",  # of kinds that Janus does not use, which every browser offers
)
"""Parts of warnings that nobody has to act on."""


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

    def __init__(
        self, child: Child, folder: PrivateFolder, keys: JanusSecrets, captures_folder: Path | None
    ) -> None:
        self.child = child
        self.captures_folder = captures_folder
        """A short path to the folder of captures, inside the private folder."""
        self._folder = folder
        self.socket_path = folder.socket_path
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
        folder = PrivateFolder.make(options.runtime_folder)
        keys = JanusSecrets()
        try:
            main = write_configuration(folder.path, folder.socket_path, libraries, options, keys)
            argv = [binary, "-F", str(folder.path), "-C", str(main)]
            captures = _link(folder.path / "captures", options.captures_folder)
            # When the server is killed, Janus still writes what it holds of the captures.
            child = await Child.spawn("janus", argv, level_of=level_of, when_orphaned=signal.SIGTERM)
        except BaseException:
            folder.remove()
            raise
        process = cls(child, folder, keys, captures)
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
            self._folder.remove()

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


def _link(link: Path, folder: Path | None) -> Path | None:
    """A short path to a folder, which is made when missing; Janus cuts long paths off."""
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    link.symlink_to(folder.resolve(), target_is_directory=True)
    return link


def level_of(line: str) -> int:
    """Level of our log for a line of Janus, which marks only what is worth more than INFO."""
    if any(words in line for words in _EVERYDAY):
        return logging.DEBUG
    mark = line.partition(" ")[0]
    return _LEVELS.get(mark, logging.DEBUG)
