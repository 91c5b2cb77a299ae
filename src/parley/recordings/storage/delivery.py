"""Delivery of files into the storage that a recording's stored settings name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parley.meetings.configs import storage_with_secrets
from parley.recordings.storage.choice import target_of
from parley.recordings.storage.errors import Hopeless
from parley.recordings.storage.local import Progress
from parley.recordings.storage.target import Rules
from parley.store.secrets import Vault


class Delivery:
    """Opens the secrets, then uploads."""

    def __init__(self, vault: Vault, rules: Rules) -> None:
        self._vault = vault
        self._rules = rules

    async def __call__(
        self, storage: Mapping[str, Any], local: Path, name: str, progress: Progress | None = None
    ) -> None:
        """Bring a file there; returns when it is verified.

        Args:
            storage: a `storage_config` as it is stored, secrets sealed.
            local: the file.
            name: under the path of the storage.
            progress: see `Target.put`.

        Raises:
            RetryLater: it may succeed another time.
            Hopeless: it will not until somebody changes the configuration.
            OSError: the local file cannot be read.
        """
        opened = storage_with_secrets(self._vault, {"storage_config": dict(storage)})
        if opened is None:
            raise Hopeless("The recording has no storage of its own.")
        await target_of(opened, self._rules).put(local, name, progress)
