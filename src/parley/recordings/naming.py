"""Names of the files that a recording becomes (`realtimekit.md` 10.5 and 10.7)."""

from __future__ import annotations

import re
from datetime import datetime

from parley.base.times import to_ms

_UNFIT = re.compile(r"[^A-Za-z0-9._\-]")
VIDEO_ENDINGS = {"H264": "mp4", "VP8": "webm", "VP9": "webm"}
AUDIO_ENDINGS = {"AAC": "m4a", "MP3": "mp3", "VORBIS": "webm"}


def composite_name(meeting_id: str, at: datetime, prefix: str | None, ending: str) -> str:
    """Such as `weekly_3f1d…_1932886805100.mp4`."""
    return f"{prefix}_{meeting_id}_{to_ms(at)}.{ending}" if prefix else f"{meeting_id}_{to_ms(at)}.{ending}"


def with_ending(file_name: str, ending: str) -> str:
    """The same name for another kind of file."""
    return f"{file_name.rpartition('.')[0]}.{ending}"


def track_name(prefix: str | None, user_id: str, peer_id: str, at: datetime) -> str:
    """Such as `default_<user>_<peer>_peer_audio_1893456000000.webm`; users are named by the customer."""
    return f"{prefix or 'default'}_{_UNFIT.sub('_', user_id)}_{peer_id}_peer_audio_{to_ms(at)}.webm"
