"""The target that a `storage_config` names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parley.recordings.storage import azure, gcs, s3
from parley.recordings.storage.errors import Hopeless
from parley.recordings.storage.target import Rules, Target, Uploader, clean_path

_DEFAULT = Rules()


def target_of(config: Mapping[str, Any], rules: Rules = _DEFAULT) -> Target:
    """Where files of that configuration go.

    Args:
        config: a `storage_config` with its secrets (`realtimekit.md` 10.6).
        rules: the operator's.

    Raises:
        Hopeless: something is missing in it, or cannot be right.
    """
    kind = config.get("type")
    uploader: Uploader
    if kind in s3.SERVICES:
        uploader = s3.storage(config, rules)
    elif kind == "azure":
        uploader = azure.storage(config, rules)
    elif kind == "gcs":
        uploader = gcs.storage(config, rules)
    elif kind == "sftp":
        from parley.recordings.storage import sftp  # asyncssh takes 9 MB, which few servers ever need

        uploader = sftp.storage(config, rules)
    else:
        raise Hopeless(f"“{str(kind)[:40]}” is not a type of storage that this server knows.")
    path = config.get("path") or ""
    if not isinstance(path, str):
        raise Hopeless("“path” of the storage must be a text.")
    return Target(uploader, clean_path(path, may_be_absolute=kind == "sftp"), rules.patience)
