"""Google Cloud Storage; the customer's `secret` is the key file of a service account.

Requests carry tokens signed here with the account's key (Google's self-signed JWTs), so that nothing is asked
of the `token_uri` in the file, or of any other address that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from obstore.store import GCSStore

from parley.recordings.storage import fields
from parley.recordings.storage.errors import Hopeless
from parley.recordings.storage.objects import RETRY, ObjectStorage, Options
from parley.recordings.storage.refusals import Place
from parley.recordings.storage.target import Rules

SERVICE = "Google Cloud Storage"
ENDPOINT = "https://storage.googleapis.com"


class _KeyFile(msgspec.Struct, frozen=True):
    """What is taken from the file."""

    client_email: str
    private_key: str
    private_key_id: str


def storage(config: Mapping[str, Any], rules: Rules) -> ObjectStorage:
    """A bucket.

    Raises:
        Hopeless: the secret is no key file, or something else is missing.
    """
    bucket = fields.bucket(config)
    own = rules.endpoints.get("gcs")
    key = _key_file(fields.needed(config, "secret"))
    base = own or ENDPOINT
    is_plain = base.startswith("http:")
    store: dict[str, Any] = {"config": {"base_url": base}}
    if is_plain:  # emulators; they get no token that is worth something elsewhere
        store["credential_provider"] = lambda: {"token": "none", "expires_at": None}
    else:
        store["config"]["service_account_key"] = msgspec.json.encode(key).decode()
    make = partial(_store, bucket, store)
    return ObjectStorage(make, Place(SERVICE, bucket), None if own else rules.policy, allows_http=is_plain)


def _key_file(text: str) -> _KeyFile:
    try:
        key = msgspec.json.decode(text, type=_KeyFile)
        if isinstance(load_pem_private_key(key.private_key.encode(), None), RSAPrivateKey):
            return key
    except (msgspec.DecodeError, ValueError, TypeError, UnsupportedAlgorithm):
        pass  # the error could show pieces of the key
    raise Hopeless("“secret” of the storage must be the JSON key file of a Google service account.")


def _store(bucket: str, settings: dict[str, Any], options: Options) -> GCSStore:
    return GCSStore(bucket, **settings, client_options=options, retry_config=RETRY)  # type: ignore[arg-type]
