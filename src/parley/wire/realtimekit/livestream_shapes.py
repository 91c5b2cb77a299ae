"""A livestream as REST shows it (`realtimekit.md` 11.1, 11.2)."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from parley.base.times import iso_ms
from parley.livestreams.model import Livestream, Run
from parley.wire.realtimekit.answers import Paging, Timestamp, Uuid
from parley.wire.realtimekit.endpoint import AppCall

Status = Literal["LIVE", "IDLE", "ERRORED", "INVOKED"]


class LivestreamShape(msgspec.Struct, frozen=True, kw_only=True):
    """A livestream."""

    id: Uuid
    name: str | None
    status: Status
    ingest_server: str
    stream_key: str
    playback_url: str
    meeting_id: Uuid | None
    disabled: Literal["true", "false"]
    """Text, as the official clients have it."""
    created_at: Timestamp
    updated_at: Timestamp


class RunShape(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a livestream was on."""

    id: Uuid
    livestream_id: Uuid
    err_message: str | None
    invoked_time: Timestamp
    started_time: Timestamp | None
    stopped_time: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    ingest_seconds: float | int | str
    viewer_seconds: float | int | str


class StartedShape(msgspec.Struct, frozen=True, kw_only=True):
    """The stream that was asked for."""

    id: Uuid
    status: Status
    ingest_server: str
    stream_key: str
    playback_url: str


class CreatedShape(StartedShape, frozen=True, kw_only=True):
    """A new independent livestream."""

    name: str | None
    meeting_id: None
    disabled: bool


class ListedShape(msgspec.Struct, frozen=True, kw_only=True):
    """The first livestream of a page, and all of them."""

    livestreams: Sequence[LivestreamShape]
    paging: Paging
    id: Uuid | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    ingest_server: str | UnsetType = UNSET
    stream_key: str | UnsetType = UNSET
    playback_url: str | UnsetType = UNSET
    meeting_id: Uuid | UnsetType | None = UNSET
    disabled: Literal["true", "false"] | UnsetType = UNSET
    created_at: Timestamp | UnsetType = UNSET
    updated_at: Timestamp | UnsetType = UNSET


class LivestreamPage(msgspec.Struct, frozen=True):
    """A page of livestreams."""

    data: ListedShape
    paging: Paging
    success: bool = True


class WithRuns(msgspec.Struct, frozen=True):
    """A livestream, and the times it was on."""

    livestream: LivestreamShape
    session: RunShape | None
    sessions: Sequence[RunShape]
    paging: Paging


class WithRun(msgspec.Struct, frozen=True):
    """A livestream that is on."""

    livestream: LivestreamShape
    session: RunShape


class RunPage(msgspec.Struct, frozen=True):
    """A page of the times a session was streamed."""

    data: Sequence[RunShape]
    paging: Paging
    success: bool = True


class Message(msgspec.Struct, frozen=True):
    """What was done."""

    message: str


def shape_of(call: AppCall, stream: Livestream) -> LivestreamShape:
    """A livestream, with its key: for its owner alone."""
    streams = call.context.livestreams
    return LivestreamShape(
        id=stream.id,
        name=stream.name,
        status=stream.status.value,
        ingest_server=streams.ingest_server,
        stream_key=streams.key(stream),
        playback_url=streams.playback_url(stream),
        meeting_id=stream.meeting_id,
        disabled="true" if stream.is_disabled else "false",
        created_at=iso_ms(stream.created_at),
        updated_at=iso_ms(stream.updated_at),
    )


def run_shape(call: AppCall, run: Run, form: type[float | int | str]) -> RunShape:
    """One time that it was on; the type of the counters differs by route."""

    def counted(milliseconds: int) -> float | int | str:
        if form is float:
            return milliseconds / 1000
        return form(milliseconds // 1000)

    return RunShape(
        id=run.id,
        livestream_id=run.livestream_id,
        err_message=run.error,
        invoked_time=iso_ms(run.invoked_at),
        started_time=None if run.started_at is None else iso_ms(run.started_at),
        stopped_time=None if run.stopped_at is None else iso_ms(run.stopped_at),
        created_at=iso_ms(run.created_at),
        updated_at=iso_ms(run.updated_at),
        ingest_seconds=counted(run.ingested_until(call.scope.now())),
        viewer_seconds=counted(run.viewer_ms),
    )
