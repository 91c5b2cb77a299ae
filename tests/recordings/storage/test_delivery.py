"""Files go to the storage that the stored settings of a recording name, with its secrets."""

from __future__ import annotations

import msgspec
import pytest

from parley.meetings.configs import RecordingConfig, stored_form
from parley.recordings.storage.delivery import Delivery
from parley.recordings.storage.errors import Hopeless
from parley.recordings.storage.target import Rules
from parley.store.secrets import Vault
from tests.recordings.storage.conftest import ANYWHERE, SOON


def _rules(url: str) -> Rules:
    return Rules(ANYWHERE, {"aws": url}, patience=SOON)


async def test_sealed_secrets_open_the_storage(s3, file):
    vault = Vault(b"k" * 32)
    bucket = s3.make("delivered")
    config = {
        "type": "aws",
        "access_key": "key",
        "secret": "secret",
        "bucket": bucket,
        "region": "eu-west-1",
        "path": "a",
    }
    asked = msgspec.convert({"storage_config": config}, RecordingConfig)
    stored = stored_form(vault, asked)["storage_config"]
    assert "secret" not in stored
    told: list[tuple[int, int]] = []
    delivery = Delivery(vault, _rules(s3.url))
    await delivery(stored, file, "b.mp4", lambda done, total: told.append((done, total)))
    assert s3.read(bucket, "a/b.mp4") == b"moving pictures"
    assert told == [(15, 15)]


async def test_without_secrets_nothing_is_sent(file):
    delivery = Delivery(Vault(b"k" * 32), _rules("http://127.0.0.1:1"))
    with pytest.raises(Hopeless, match="“access_key” of the storage is missing"):
        await delivery({"type": "aws", "bucket": "calls", "region": "eu-west-1"}, file, "b.mp4")
