"""What happens to a stopped recording: its files are made, stored and told of (`design.md` section 6).

A job, safe to run twice and taken up again after kill -9: files that are made stay made, storing overwrites,
and only the last step changes the recording. What was captured is removed when nothing needs it any more; the
job ends after that.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import structlog

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import ParleyError, Unavailable
from parley.base.times import from_ms
from parley.compositor import plan as c
from parley.outgoing.pictures import fetch_picture
from parley.outgoing.ports import Http
from parley.recordings import planning, store
from parley.recordings.model import (
    FileRole,
    RecordingId,
    RecordingKind,
    RecordingStatus,
    StoredFile,
)
from parley.recordings.naming import with_ending
from parley.recordings.planning import Noted, Wanted
from parley.recordings.service import FINISH_QUEUE, Recordings
from parley.recordings.settings import RecordingSettings
from parley.recordings.storage.errors import Hopeless, RetryLater
from parley.store.core import Store
from parley.store.jobs import Job, RetryAt

log = structlog.get_logger(__name__)
AT_ONCE = max(1, (os.cpu_count() or 2) // 2)
"""Compositions of one server; each takes a core."""
UPLOADS_AT_ONCE = 8
"""Recordings whose files one server stores at a time; that is mostly waiting."""
CLOSING = timedelta(seconds=10)
"""How long the server of the meeting has to close the files."""
ATTEMPTS = 8
TRIED_FOR = timedelta(hours=1)
"""How often and how long at least what may pass is tried, such as a full disk; its captured files stay."""
STORAGE_AWAY = timedelta(days=1)
"""How long after its end, or the wish to try again, a storage is tried that cannot be reached or is full."""
ELSEWHERE = timedelta(seconds=5)
PROGRESS_EVERY_S = 2.0
ERRORS_SHOWN = 4_000
"""Characters of what a failed compositor said."""
CHUNK = 1 << 20
Deliver = Callable[[Mapping[str, Any], Path, str], Awaitable[None]]
"""Brings a file into a customer's storage (settings, file, name) and returns when it is verified there."""


class Made(NamedTuple):
    """What the compositor has made."""

    files: list[Wanted]
    recorded_ms: int
    """How long the recording is."""
    lacking: str | None
    """What is not in it that should be, in plain words."""


class CannotFinish(ParleyError):
    """Trying again would not help."""

    code = "recording_failed"


class Finisher:
    """Makes the files of stopped recordings."""

    def __init__(
        self,
        base: Store,
        recordings: Recordings,
        *,
        captures: Path,
        work: Path,
        http: Http,
        deliver: Deliver | None = None,
    ) -> None:
        """Prepare.

        Args:
            base: rows and files.
            recordings: their states.
            captures: where the media engine writes.
            work: a folder of this server for what is being made.
            http: for avatars and watermarks.
            deliver: to customers' own storage; None where this server reaches none.
        """
        self._store = base
        self._recordings = recordings
        self._captures = captures
        self._work = work
        self._http = http
        self._deliver = deliver
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    def register(self) -> None:
        """Take the jobs."""
        self._store.jobs.handle(FINISH_QUEUE, self.finish, at_once=AT_ONCE)

    async def finish(self, job: Job) -> None:
        """Carry one recording to its end.

        Raises:
            RetryAt: something it needs is not there yet.
        """
        scope = await app_scope(self._store, job.app_id, "recorder")
        recording_id = RecordingId(job.body["recording_id"])
        noted = Noted(
            recording := await self._recordings.get(scope, recording_id),
            msgspec.convert(recording.config, RecordingSettings),
            await store.tracks_of(scope, recording_id),
            await store.moments_of(scope, recording_id),
        )
        folder = self._work / recording_id
        is_there = recording.status is RecordingStatus.UPLOADED  # if so, an earlier run was killed at the end
        if recording.status is RecordingStatus.UPLOADING:
            is_there = await self._carry(scope, noted, folder, job)
        if is_there:
            await self._clear(scope, noted)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _carry(self, scope: AppScope, noted: Noted, folder: Path, job: Job) -> bool:
        """Make and store the files; False when that cannot be done, which the recording then says."""
        recording = noted.recording
        kept: list[StoredFile] = []
        try:
            self._require_files(scope, noted, job)
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            files, recorded_ms, lacking = await self._make(scope, noted, folder)
            async with self._uploads:
                self._store.jobs.make_room(job)
                for each in files:
                    kept.append(await self._keep(scope, noted, each, folder))  # noqa: PERF401 - the next may fail
                for each in files:
                    await self._bring(noted, each, folder)
        except (CannotFinish, Hopeless) as hopeless:
            await self._recordings.failed(scope, recording.id, hopeless.message, kept)
        except RetryLater as away:
            now = scope.now()
            if now - from_ms(job.body["since"]) < STORAGE_AWAY:
                # What is made stays made: the next run has nothing to do but to bring it there.
                wait = timedelta(seconds=away.retry.after_s * 2 ** min(job.attempts, 5))
                raise RetryAt(now + wait, away.message) from away
            await self._recordings.failed(scope, recording.id, away.message, kept)
        except (ParleyError, OSError) as failure:
            reason = failure.message if isinstance(failure, ParleyError) else str(failure)
            if job.attempts + 1 < ATTEMPTS or scope.now() - from_ms(job.body["since"]) < TRIED_FOR:
                raise
            await self._recordings.failed(scope, recording.id, reason, kept)
        else:
            await self._recordings.uploaded(scope, recording.id, kept, recorded_ms, lacking=lacking)
            return True
        return False

    def _require_files(self, scope: AppScope, noted: Noted, job: Job) -> None:
        now = scope.now()
        stopped = noted.recording.stopped_at or now
        if any(track.stopped_at is None for track in noted.tracks) and now - stopped < CLOSING:
            raise RetryAt(now + timedelta(seconds=0.5), "the files are still open", is_attempt=False)
        if noted.tracks and not any((self._captures / track.file_name).exists() for track in noted.tracks):
            if job.attempts + 1 < ATTEMPTS:
                raise RetryAt(now + ELSEWHERE, "the captured files are on another server")
            raise CannotFinish("What was captured is not in the folder of captures of any server.")

    # --- making -----------------------------------------------------------------------------------

    async def _make(self, scope: AppScope, noted: Noted, folder: Path) -> Made:
        """Every file."""
        if not planning.spans(noted):
            raise CannotFinish("Nothing was captured.")
        told = partial(self._recordings.progressed, scope, noted.recording.id)
        if noted.recording.kind is RecordingKind.COMPOSITE:
            pictures, lacking = await self._pictures(noted, folder)
            plan = planning.composite(noted, self._captures, folder, pictures)
            length = await compose(plan, folder, told)
            return Made(planning.wanted(noted, folder), length, lacking)
        made: list[Wanted] = []
        length = 0
        for wanted, plan in planning.tracks(noted, self._captures, folder):
            length = max(length, await compose(plan, folder, None))
            made.append(wanted)
        if not made:
            raise CannotFinish("Nobody's sound was captured.")
        name = with_ending(made[0].name, "zip")
        await asyncio.to_thread(_pack, folder / name, [folder / each.name for each in made])
        archive = c.Output(path=folder / name, container="webm")
        return Made([*made, Wanted(FileRole.ARCHIVE, name, archive)], length, None)

    async def _pictures(self, noted: Noted, folder: Path) -> tuple[dict[str, Path], str | None]:
        """Avatars and the watermark, as far as they can be had, and why there is no watermark.

        The recording does not fail for them.
        """
        watermark = noted.settings.video_config.watermark
        mark = None if watermark is None else watermark.url
        urls = {mark, *(moment.payload.get("picture") for moment in noted.moments)}
        found: dict[str, Path] = {}
        lacking = None
        for number, url in enumerate(sorted(url for url in urls if url)):
            path = folder / f"picture-{number}"
            why = await fetch_picture(self._http, url, path)
            if why is None:
                found[url] = path
            elif url == mark:
                lacking = f"The watermark could not be had: {why}"
        return found, lacking

    # --- keeping ----------------------------------------------------------------------------------

    async def _keep(self, scope: AppScope, noted: Noted, wanted: Wanted, folder: Path) -> StoredFile:
        """Put a file into Parley's own bucket, if that is wanted."""
        path, recording = folder / wanted.name, noted.recording
        size = (await asyncio.to_thread(path.stat)).st_size
        key = None
        if noted.settings.uses_bucket:
            key = f"recordings/{scope.app_id}/{recording.id}/{wanted.name}"
            stored = await self._store.blobs.put(key, _chunks(path))
            if stored != size:
                raise Unavailable(f"{stored} of {size} bytes were stored.")
        return StoredFile(wanted.role, wanted.name, size, key, wanted.layer)

    async def _bring(self, noted: Noted, wanted: Wanted, folder: Path) -> None:
        """Bring a file to the customer's storage, if there is one."""
        storage = noted.settings.storage_config
        if storage is not None and wanted.role is not FileRole.ARCHIVE:
            if self._deliver is None:
                raise CannotFinish("This server does not reach customers' own storage.")
            await self._deliver(storage, folder / wanted.name, wanted.name)

    async def _clear(self, scope: AppScope, noted: Noted) -> None:
        """Remove what was captured and is not needed by another recording."""
        names = sorted({track.file_name for track in noted.tracks})
        needed = {_capture_of(name) for name in await store.still_needed(scope, names)}
        for capture in {_capture_of(name) for name in names} - needed:
            await asyncio.to_thread(_remove, self._captures, capture)


async def compose(plan: c.Plan, folder: Path, told: Callable[[int], Awaitable[None]] | None) -> int:
    """Run the compositor in a process of its own; returns the length of what it made in milliseconds.

    A plan that was carried out in this folder is not carried out again.

    Raises:
        CannotFinish: the plan or what was captured is of no use.
        Unavailable: it failed in a way that may pass, such as a full disk.
    """
    path, written = folder / "plan.json", c.write(plan)
    done = folder / f"{hashlib.sha256(written).hexdigest()}.made"
    if (length := await asyncio.to_thread(_made, done, plan)) is not None:
        return length
    await asyncio.to_thread(path.write_bytes, written)
    said = folder / "compositor.log"
    with await asyncio.to_thread(said.open, "wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "parley.compositor", str(path)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            preexec_fn=_be_nice,
        )
    last: dict[str, Any] = {}
    told_at = 0.0
    loop = asyncio.get_running_loop()
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            last = msgspec.json.decode(line)
            if told is not None and "progress" in last and loop.time() - told_at > PROGRESS_EVERY_S:
                told_at = loop.time()
                await told(min(99, last["progress"]))
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if "outputs" in last:
        for skipped in last.get("skipped", ()):
            log.info("track_skipped", path=skipped["path"], reason=skipped["reason"])
        length = max(int(each["duration_ms"]) for each in last["outputs"])
        await asyncio.to_thread(done.write_text, str(length))
        return length
    code, message = last.get("error", "killed"), last.get("message", "The compositor was ended.")
    text = (await asyncio.to_thread(said.read_bytes))[-ERRORS_SHOWN:].decode(errors="replace")
    log.warning("composition_failed", reason=message, status=process.returncode, said=text)
    if code == "invalid_plan":
        raise CannotFinish(message)
    raise Unavailable(message)


def _made(done: Path, plan: c.Plan) -> int | None:
    """The length of what an earlier run of the same job has made; None when it has not."""
    if not done.exists() or not all(Path(each.path).exists() for each in plan.outputs):
        return None
    text = done.read_text()
    return int(text) if text.isdigit() else None  # its server was killed while it wrote this


def _be_nice() -> None:
    """Meetings come first."""
    os.nice(10)


def _capture_of(file_name: str) -> str:
    """All files of one capture begin alike, those of sections that nothing was sent in as well."""
    return file_name.rsplit("-", 2)[0]


def _remove(folder: Path, capture: str) -> None:
    for path in folder.glob(f"{capture}-*.mjr"):
        path.unlink(missing_ok=True)


def _pack(archive: Path, files: Sequence[Path]) -> None:
    with zipfile.ZipFile(archive, "w") as packed:
        for file in files:
            packed.write(file, file.name)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
    finally:
        await asyncio.to_thread(file.close)
