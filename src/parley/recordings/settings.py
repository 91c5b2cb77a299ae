"""What a recording shall be: the request over the meeting's `recording_config` over the defaults.

Each top-level member of the request replaces the meeting's as a whole (`realtimekit.md` 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from parley.base.errors import Invalid
from parley.recordings.naming import AUDIO_ENDINGS, VIDEO_ENDINGS

MAX_SECONDS = 86_400
DEFAULT_WIDTH, DEFAULT_HEIGHT = 1280, 720


class WatermarkSize(msgspec.Struct, frozen=True):
    """Pixels; the natural size where absent."""

    width: int | None = None
    height: int | None = None


class Watermark(msgspec.Struct, frozen=True):
    """A picture over the recording."""

    url: str | None = None
    size: WatermarkSize = WatermarkSize()
    position: Literal["left top", "right top", "left bottom", "right bottom"] = "left top"


class VideoSettings(msgspec.Struct, frozen=True):
    """The picture."""

    codec: Literal["H264", "VP8", "VP9"] = "H264"
    width: int = DEFAULT_WIDTH
    height: int = DEFAULT_HEIGHT
    export_file: bool = True
    watermark: Watermark | None = None


class AudioSettings(msgspec.Struct, frozen=True):
    """The sound."""

    codec: Literal["MP3", "AAC"] = "AAC"
    channel: Literal["mono", "stereo"] = "stereo"
    export_file: bool = True


class RecordingSettings(msgspec.Struct, frozen=True):
    """Everything decided, secrets of the storage sealed."""

    max_seconds: int = MAX_SECONDS
    file_name_prefix: str | None = None
    video_config: VideoSettings = VideoSettings()
    audio_config: AudioSettings = AudioSettings()
    storage_config: dict[str, Any] | None = None
    uses_bucket: bool = True
    """Whether Parley's own bucket gets the files as well."""
    is_interactive: bool = False
    """HLS with timed metadata instead of one file."""
    layers: dict[str, str | None] = msgspec.field(default_factory=dict)
    """Of a track recording: prefix of the files by name of the layer."""
    copied_by: str | None = None
    """The run of a live stream that sends the picture to an RTMP server outside meanwhile."""
    user_ids: list[str] = msgspec.field(default_factory=list)
    """Of a track recording: whom; nobody named is everybody."""

    @property
    def ending(self) -> str:
        """Of the file's name."""
        return "tar" if self.is_interactive else VIDEO_ENDINGS[self.video_config.codec]

    @property
    def audio_ending(self) -> str:
        """Of the name of the file that has the sound alone."""
        return AUDIO_ENDINGS[self.audio_config.codec if self.video_config.codec == "H264" else "VORBIS"]


def resolve(
    meeting: Mapping[str, Any] | None, request: Mapping[str, Any], **decided: Any
) -> RecordingSettings:
    """Put the levels together.

    Args:
        meeting: the meeting's `recording_config` as it is stored.
        request: members of the same names that this recording has of its own, in the same form.
        decided: further members of `RecordingSettings`.

    Raises:
        Invalid: nothing would be kept of it.
    """
    merged = {**(meeting or {}), **request}
    bucket = merged.get("realtimekit_bucket_config") or merged.get("dyte_bucket_config") or {}
    settings = msgspec.convert(
        {
            **{name: merged[name] for name in _TAKEN if merged.get(name) is not None},
            "uses_bucket": bucket.get("enabled", True),
            **decided,
        },
        RecordingSettings,
    )
    if not settings.video_config.export_file and not settings.audio_config.export_file:
        raise Invalid(
            '"video_config.export_file" and "audio_config.export_file" must not both be false',
            field="video_config.export_file",
        )
    if not settings.uses_bucket and settings.storage_config is None:
        raise Invalid(
            '"storage_config" is required where the bucket is disabled', field="realtimekit_bucket_config"
        )
    return settings


_TAKEN = ("max_seconds", "file_name_prefix", "video_config", "audio_config", "storage_config")
