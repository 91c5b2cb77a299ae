"""What a `storage_config` says, read with care: its members become parts of addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from parley.recordings.storage.errors import Hopeless

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def text(config: Mapping[str, Any], key: str) -> str:
    """A member that may be absent."""
    value = config.get(key)
    return value if isinstance(value, str) else ""


def needed(config: Mapping[str, Any], key: str) -> str:
    """A member.

    Raises:
        Hopeless: it is missing or empty.
    """
    found = text(config, key).strip()
    if not found:
        raise Hopeless(f"“{key}” of the storage is missing.")
    return found


def bucket(config: Mapping[str, Any]) -> str:
    """The name of the bucket or container.

    Raises:
        Hopeless: it cannot be one.
    """
    found = needed(config, "bucket")
    if not _BUCKET.fullmatch(found):
        raise Hopeless(f"“{found[:80]}” cannot be the name of a bucket.")
    return found


def label(config: Mapping[str, Any], key: str) -> str:
    """A member that becomes one part of a host name.

    Raises:
        Hopeless: it has characters that no host name has.
    """
    found = needed(config, key)
    if not _LABEL.fullmatch(found):
        raise Hopeless(f"“{found[:80]}” cannot be the {key.replace('_', ' ')} of the storage.")
    return found
