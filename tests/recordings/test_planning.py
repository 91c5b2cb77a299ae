"""From what was noted to what the compositor shall make."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from parley.base.ids import AppId, MeetingId, PeerId, SessionId
from parley.base.times import from_ms
from parley.compositor import plan as c
from parley.recordings import planning
from parley.recordings.model import (
    FileRole,
    Moment,
    MomentKind,
    Recording,
    RecordingId,
    RecordingKind,
    RecordingStatus,
    Start,
    StartReason,
    Track,
    TrackId,
    TrackSource,
)
from parley.recordings.planning import Noted
from parley.recordings.settings import RecordingSettings, VideoSettings, resolve

START = 1_800_000_000_000
CAPTURES, FOLDER = Path("/captures"), Path("/films")


def moment(kind: MomentKind, at: int, **payload) -> Moment:
    return Moment(AppId("a"), RecordingId("r"), kind, payload, from_ms(START + at))


def track(file: str, start: int, stop: int | None, source=TrackSource.MICROPHONE, peer: str = "p1") -> Track:
    return Track(
        id=TrackId(f"{file}{start}"),
        app_id=AppId("a"),
        recording_id=RecordingId("r"),
        peer_id=PeerId(peer),
        participant_id="u1",
        custom_participant_id="ann",
        display_name="Ann",
        picture=None,
        source=source,
        file_name=file,
        started_at=from_ms(START + start),
        stopped_at=None if stop is None else from_ms(START + stop),
    )


def noted(moments, tracks=(), settings=None, kind=RecordingKind.COMPOSITE, stopped=60_000) -> Noted:
    at = from_ms(START)
    recording = Recording(
        id=RecordingId("r"),
        app_id=AppId("a"),
        meeting_id=MeetingId("m"),
        session_id=SessionId("s"),
        kind=kind,
        status=RecordingStatus.UPLOADING,
        config={},
        file_name="m_1.mp4" if settings is None else f"m_1.{settings.ending}",
        start_reason=StartReason(Start.API_CALL),
        invoked_at=at,
        updated_at=at,
        stopped_at=at + timedelta(milliseconds=stopped),
    )
    return Noted(recording, settings or RecordingSettings(), tracks, moments)


CAPTURE, HALT = MomentKind.CAPTURE, MomentKind.HALT


def spans(*moments, **options) -> list[tuple[int, int]]:
    return [(start - START, end - START) for start, end in planning.spans(noted(moments, **options))]


def test_pauses_lie_between_the_spans():
    told = [moment(CAPTURE, 0), moment(HALT, 10), moment(CAPTURE, 30), moment(HALT, 50)]
    assert spans(*told) == [(0, 10), (30, 50)]


def test_what_goes_on_after_a_crash_is_one_span_to_the_stop():
    assert spans(moment(CAPTURE, 0), moment(CAPTURE, 20_000)) == [(0, 60_000)]


def test_nothing_is_longer_than_it_may_be():
    told = [moment(CAPTURE, 0), moment(HALT, 40_000), moment(CAPTURE, 50_000), moment(HALT, 90_000)]
    assert spans(*told, settings=RecordingSettings(max_seconds=60)) == [(0, 40_000), (50_000, 70_000)]


def test_a_muted_stream_is_silent_in_between():
    rows = [track("x-audio-0.mjr", 100, 500), track("x-audio-0.mjr", 900, 1_500)]
    plan = planning.composite(noted([moment(CAPTURE, 0)], rows), CAPTURES, FOLDER, {})
    [made] = plan.tracks
    assert made.path == CAPTURES / "x-audio-0.mjr"
    assert made.muted == [(0, START + 100), (START + 500, START + 900)]
    assert made.ended_at == START + 1_500


def test_one_file_may_hold_two_sources():
    rows = [
        track("x-video-1.mjr", 0, 500, TrackSource.CAMERA),
        track("x-video-1.mjr", 600, None, TrackSource.SCREEN),
    ]
    plan = planning.composite(noted([moment(CAPTURE, 0)], rows), CAPTURES, FOLDER, {})
    camera, screen = plan.tracks
    assert (camera.source, camera.ended_at) == ("camera", START + 500)
    assert (screen.source, screen.ended_at, screen.muted) == ("screen", None, [(0, START + 600)])


def test_people_are_there_between_joining_and_leaving():
    told = [
        moment(CAPTURE, 0),
        moment(MomentKind.JOIN, 5, peer_id="p1", name="Ann", picture="https://x/ann.png"),
        moment(MomentKind.JOIN, 10, peer_id="p2", name="Bob", picture=None),
        moment(MomentKind.LEAVE, 20, peer_id="p1"),
        moment(MomentKind.JOIN, 30, peer_id="p1", name="Ann B.", picture="https://x/ann.png"),
    ]
    plan = planning.composite(noted(told), CAPTURES, FOLDER, {"https://x/ann.png": Path("/films/p0")})
    ann, bob = plan.people
    assert (ann.name, ann.picture) == ("Ann B.", Path("/films/p0"))
    assert [(a - START, b - START) for a, b in ann.present] == [(5, 20), (30, 60_000)]
    assert [(a - START, b - START) for a, b in bob.present] == [(10, 60_000)]


def test_the_colours_are_those_of_who_came_first():
    colours = {"background": "#102030", "brand": "rgb(1,2,3)", "tile": "#abcdef"}
    told = [moment(CAPTURE, 0), moment(MomentKind.JOIN, 1, peer_id="p", name="", colours=colours)]
    canvas = planning.composite(noted(told), CAPTURES, FOLDER, {}).canvas
    assert (canvas.background, canvas.tile, canvas.brand) == ("#102030", "#abcdef", c.Canvas().brand)


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ({}, [(FileRole.VIDEO, "m_1.mp4"), (FileRole.AUDIO, "m_1.m4a")]),
        ({"video_config": {"export_file": False}}, [(FileRole.AUDIO, "m_1.m4a")]),
        ({"audio_config": {"export_file": False}}, [(FileRole.VIDEO, "m_1.mp4")]),
        (
            {"video_config": {"codec": "VP8"}},
            [(FileRole.VIDEO, "m_1.webm"), (FileRole.AUDIO, "m_1.audio.webm")],
        ),
        ({"audio_config": {"codec": "MP3"}}, [(FileRole.VIDEO, "m_1.mp4"), (FileRole.AUDIO, "m_1.mp3")]),
    ],
)
def test_files_are_what_was_asked_for(config, files):
    settings = resolve(None, config)
    made = planning.wanted(noted([moment(CAPTURE, 0)], settings=settings), FOLDER)
    assert [(each.role, each.name) for each in made] == files


def test_every_plan_is_one_the_compositor_takes():
    settings = RecordingSettings(is_interactive=True, video_config=VideoSettings(width=1, height=1))
    told = [moment(CAPTURE, 0), moment(MomentKind.METADATA, 10, data="{}")]
    plan = planning.composite(noted(told, settings=settings), CAPTURES, FOLDER, {})
    read = c.read(c.write(plan))
    assert read.outputs[0].metadata == [c.Moment(at=START + 10, data="{}")]
    assert (read.canvas.width, read.canvas.height) == (2, 2)


def test_a_track_recording_is_a_file_for_each_microphone():
    rows = [
        track("x-audio-0.mjr", 0, 500),
        track("x-video-1.mjr", 0, 500, TrackSource.CAMERA),
        track("y-audio-0.mjr", 100, 600, peer="p2"),
    ]
    settings = RecordingSettings(layers={"default": "weekly"})
    told = noted([moment(CAPTURE, 0)], rows, settings, RecordingKind.TRACKS)
    made = planning.tracks(told, CAPTURES, FOLDER)
    assert [wanted.name for wanted, _ in made] == [
        f"weekly_u1_p1_peer_audio_{START}.webm",
        f"weekly_u1_p2_peer_audio_{START + 100}.webm",
    ]
    assert [each.path.name for _, plan in made for each in plan.tracks] == ["x-audio-0.mjr", "y-audio-0.mjr"]
