"""What a meeting says about recording and about speech (`realtimekit.md` 4.3, 4.4).

The structure is that of the wire and of storage. Members are kept only if the customer gave them: defaults
are filled in where a recording or a transcription begins, so that a more general level can still decide.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parley.store.secrets import Vault

_END = r"$(?!\n)"
"""A bare `$` would also match before a line break at the end."""
URI_PATTERN = r"^[A-Za-z][A-Za-z0-9+.\-]*:[^\s]+" + _END
Uri = Annotated[str, Meta(pattern=URI_PATTERN, max_length=2048, extra_json_schema={"format": "uri"})]
Pixels = Annotated[float, Meta(ge=1, le=1920, multiple_of=1)]
WebUri = Annotated[
    str,
    Meta(
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s]+" + _END,
        max_length=2048,
        extra_json_schema={"format": "uri"},
    ),
]
Seconds = Annotated[float, Meta(ge=60, le=86400, multiple_of=1)]
"""How long a recording may be."""
MarkPixels = Annotated[float, Meta(ge=1, le=16_384, multiple_of=1)]
_SECRETS = ("access_key", "secret", "password", "private_key")
_PURPOSE = "storage_config"
_STORAGE_KEY = '"storage_config"'
"""As it stands in every stored config that holds a storage."""


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the parts."""


class AudioRecording(_Part, frozen=True):
    """The sound of a recording; VP8 and VP9 recordings always carry Vorbis."""

    codec: Literal["MP3", "AAC"] | UnsetType = UNSET
    channel: Literal["mono", "stereo"] | UnsetType = UNSET
    export_file: bool | UnsetType = UNSET


class WatermarkSize(_Part, frozen=True):
    """Pixels; the natural size when absent."""

    width: MarkPixels | UnsetType = UNSET
    height: MarkPixels | UnsetType = UNSET


class Watermark(_Part, frozen=True):
    """A picture over the recording."""

    url: WebUri | UnsetType = UNSET
    size: WatermarkSize | UnsetType = UNSET
    position: Literal["left top", "right top", "left bottom", "right bottom"] | UnsetType = UNSET


class VideoRecording(_Part, frozen=True):
    """The picture of a recording."""

    codec: Literal["H264", "VP8", "VP9"] | UnsetType = UNSET
    width: Pixels | UnsetType = UNSET
    height: Pixels | UnsetType = UNSET
    export_file: bool | UnsetType = UNSET
    watermark: Watermark | UnsetType = UNSET


class BucketConfig(_Part, frozen=True):
    """Whether the built-in storage is used."""

    enabled: bool


class StorageConfig(_Part, frozen=True):
    """The customer's own storage (`realtimekit.md` 10.6)."""

    type: Literal["aws", "azure", "digitalocean", "gcs", "sftp", "cloudflare"]
    access_key: str | UnsetType = UNSET
    secret: str | UnsetType = UNSET
    bucket: str | UnsetType = UNSET
    region: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    port: Annotated[float, Meta(ge=1, le=65535, multiple_of=1)] | UnsetType = UNSET
    username: str | UnsetType = UNSET
    auth_method: Literal["KEY", "PASSWORD"] | UnsetType = UNSET
    password: str | UnsetType = UNSET
    private_key: str | UnsetType = UNSET
    account_id: str | UnsetType = UNSET


class LiveStreaming(_Part, frozen=True):
    """Where the recorder also sends its picture."""

    rtmp_url: Uri | UnsetType = UNSET


class RecordingConfig(_Part, frozen=True):
    """Defaults of every recording of a meeting."""

    max_seconds: Seconds | UnsetType = UNSET
    file_name_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_\-]*" + _END, max_length=128)] | UnsetType = (
        UNSET
    )
    audio_config: AudioRecording | UnsetType = UNSET
    video_config: VideoRecording | UnsetType = UNSET
    realtimekit_bucket_config: BucketConfig | UnsetType = UNSET
    dyte_bucket_config: BucketConfig | UnsetType = UNSET
    """The same under the name of older clients."""
    storage_config: StorageConfig | UnsetType | None = UNSET
    live_streaming_config: LiveStreaming | UnsetType = UNSET


class Transcription(_Part, frozen=True):
    """Speech to text."""

    language: (
        Annotated[str, Meta(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*" + _END, max_length=64)] | UnsetType
    ) = UNSET
    """A BCP 47 tag (RFC 5646)."""
    keywords: list[str] | UnsetType = UNSET
    profanity_filter: bool | UnsetType = UNSET


class Summarization(_Part, frozen=True):
    """Text to summary."""

    word_limit: Annotated[float, Meta(ge=150, le=1000, multiple_of=1)] | UnsetType = UNSET
    text_format: Literal["plain_text", "markdown"] | UnsetType = UNSET
    summary_type: (
        Literal[
            "general",
            "team_meeting",
            "sales_call",
            "client_check_in",
            "interview",
            "daily_standup",
            "one_on_one_meeting",
            "lecture",
            "code_review",
        ]
        | UnsetType
    ) = UNSET


class AiConfig(_Part, frozen=True):
    """Transcription and summaries of a meeting."""

    transcription: Transcription | UnsetType = UNSET
    summarization: Summarization | UnsetType = UNSET


_NEEDED: dict[str, tuple[str, ...]] = {
    "aws": ("access_key", "secret", "bucket", "region"),
    "digitalocean": ("access_key", "secret", "bucket", "region"),
    "azure": ("access_key", "bucket", "region"),
    "gcs": ("bucket", "secret"),
    "sftp": ("host", "username", "auth_method"),
    "cloudflare": ("access_key", "secret", "bucket", "account_id"),
}


def missing_storage_key(storage: StorageConfig) -> str | None:
    """The first key that this kind of storage needs and that was not given."""
    needed = _NEEDED[storage.type]
    if storage.type == "sftp" and storage.auth_method is not UNSET:
        needed += ("private_key",) if storage.auth_method == "KEY" else ("password",)
    return next((key for key in needed if getattr(storage, key) is UNSET), None)


def stored_form(vault: Vault, config: RecordingConfig | AiConfig) -> dict[str, Any]:
    """The given members as they are stored: whole numbers without a fraction, secrets sealed."""
    plain: dict[str, Any] = msgspec.to_builtins(config)
    _make_whole(plain)
    storage = plain.get("storage_config")
    if storage:
        sealed = {key: storage[key] for key in _SECRETS if key in storage}
        plain["storage_config"] = _public(storage)
        if sealed:
            text = base64.b64encode(vault.seal(_PURPOSE, msgspec.json.encode(sealed))).decode()
            plain["storage_config"]["sealed"] = text
    return plain


def shown_form(stored: dict[str, Any]) -> dict[str, Any]:
    """A stored config as customers may read it: without secrets."""
    storage = stored.get("storage_config")
    return stored | {"storage_config": _public(storage)} if storage else stored


def shown_json(stored: str) -> msgspec.Raw:
    """`shown_form` of the stored text, as JSON; what holds no storage is not even read."""
    if _STORAGE_KEY not in stored:
        return msgspec.Raw(stored)
    return msgspec.Raw(msgspec.json.encode(shown_form(msgspec.json.decode(stored))))


def all_shown_json(column: Sequence[str | None]) -> list[msgspec.Raw | UnsetType]:
    """`shown_json` of many rows, `UNSET` where there is none; one look tells whether any holds a storage."""
    if _STORAGE_KEY in "".join(filter(None, column)):
        return [UNSET if stored is None else shown_json(stored) for stored in column]
    return [UNSET if stored is None else msgspec.Raw(stored) for stored in column]


def storage_with_secrets(vault: Vault, stored: dict[str, Any]) -> dict[str, Any] | None:
    """The storage of a stored config with its secrets, for who uploads."""
    storage = stored.get("storage_config")
    if not storage or "sealed" not in storage:
        return dict(storage) if storage else None
    opened: dict[str, str] = msgspec.json.decode(vault.open(_PURPOSE, base64.b64decode(storage["sealed"])))
    return _public(storage) | opened


def _public(storage: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in storage.items() if key not in _SECRETS and key != "sealed"}


def _make_whole(parts: dict[str, Any]) -> None:
    """Replace floats that are whole numbers, here and in the objects below (no list holds numbers)."""
    for key, value in parts.items():
        if isinstance(value, float):
            if value.is_integer():
                parts[key] = int(value)
        elif isinstance(value, dict):
            _make_whole(value)
