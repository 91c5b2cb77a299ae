"""What a recording shall be, over its levels."""

from __future__ import annotations

import pytest

from parley.base.errors import Invalid
from parley.recordings.settings import resolve


def test_nothing_said_is_the_default():
    settings = resolve(None, {})
    assert (settings.video_config.codec, settings.video_config.width, settings.video_config.height) == (
        "H264",
        1280,
        720,
    )
    assert (settings.ending, settings.audio_ending, settings.max_seconds) == ("mp4", "m4a", 86_400)


def test_a_member_of_the_request_replaces_the_meetings_as_a_whole():
    meeting = {"max_seconds": 600, "video_config": {"codec": "VP8", "width": 640}}
    settings = resolve(meeting, {"video_config": {"height": 360}})
    assert settings.max_seconds == 600
    assert (settings.video_config.codec, settings.video_config.width, settings.video_config.height) == (
        "H264",
        1280,
        360,
    )


@pytest.mark.parametrize(
    ("video", "audio", "endings"),
    [("H264", "MP3", ("mp4", "mp3")), ("VP8", "AAC", ("webm", "webm")), ("VP9", "MP3", ("webm", "webm"))],
)
def test_endings_follow_the_codecs(video, audio, endings):
    settings = resolve(None, {"video_config": {"codec": video}, "audio_config": {"codec": audio}})
    assert (settings.ending, settings.audio_ending) == endings


def test_something_has_to_be_exported():
    off = {"export_file": False}
    with pytest.raises(Invalid):
        resolve(None, {"video_config": off, "audio_config": off})


@pytest.mark.parametrize("key", ["realtimekit_bucket_config", "dyte_bucket_config"])
def test_it_has_to_be_kept_somewhere(key):
    with pytest.raises(Invalid):
        resolve(None, {key: {"enabled": False}})
    stored = {"type": "sftp", "host": "files.example", "username": "u", "auth_method": "PASSWORD"}
    settings = resolve({"storage_config": stored}, {key: {"enabled": False}})
    assert not settings.uses_bucket
    assert settings.storage_config == stored
