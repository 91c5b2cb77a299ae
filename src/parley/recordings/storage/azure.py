"""Azure Blob Storage; the customer's `access_key` is a connection string, the bucket a container."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from obstore.store import AzureStore

from parley.recordings.storage import fields
from parley.recordings.storage.errors import Hopeless
from parley.recordings.storage.objects import RETRY, ObjectStorage, Options
from parley.recordings.storage.refusals import Place
from parley.recordings.storage.target import Rules

SERVICE = "Azure"
DOMAIN = "core.windows.net"


def storage(config: Mapping[str, Any], rules: Rules) -> ObjectStorage:
    """A container.

    Raises:
        Hopeless: the connection string is none, or something else is missing.
    """
    container = fields.bucket(config)
    parts = connection_string(fields.needed(config, "access_key"))
    own = rules.endpoints.get("azure")
    if own:
        account = _account(parts)
        endpoint = f"{own}/{account}"  # as emulators and private installations name accounts
    else:
        endpoint, account = _address(parts)
    make = partial(_store, container, endpoint, account, parts)
    place = Place(SERVICE, container, "container")
    return ObjectStorage(
        make, place, None if own else rules.policy, allows_http=bool(own and own.startswith("http:"))
    )


def connection_string(text: str) -> dict[str, str]:
    """Its members, by name in lower case.

    Raises:
        Hopeless: neither an account key nor a shared access signature is in it.
    """
    parts = {
        name.strip().lower(): value.strip()
        for name, _, value in (part.partition("=") for part in text.split(";") if part.strip())
    }
    key = parts.get("accountkey", "")
    try:
        is_key = bool(base64.b64decode(key, validate=True))
    except binascii.Error:
        is_key = False
    if not is_key and not parts.get("sharedaccesssignature"):
        raise Hopeless(
            "“access_key” of the storage must be a connection string with AccountName and AccountKey."
        )
    return parts


def _account(parts: Mapping[str, str]) -> str:
    return fields.label({"AccountName": parts.get("accountname", "")}, "AccountName")


def _address(parts: Mapping[str, str]) -> tuple[str, str]:
    """The endpoint, and the account that requests are signed for."""
    named = parts.get("blobendpoint", "").rstrip("/")
    if not named:
        account = _account(parts)
        suffix = parts.get("endpointsuffix", "") or DOMAIN
        named = f"https://{account}.blob.{suffix}"
    url = urlsplit(named)
    if url.scheme != "https" or not url.hostname or url.username is not None or url.query or url.fragment:
        raise Hopeless("The connection string of the storage must name an address that begins with https://.")
    account = parts.get("accountname") or url.hostname.partition(".")[0]
    return named, fields.label({"AccountName": account}, "AccountName")


def _store(
    container: str, endpoint: str, account: str, parts: Mapping[str, str], options: Options
) -> AzureStore:
    config: dict[str, Any] = {"account_name": account, "endpoint": endpoint, "skip_signature": False}
    if parts.get("accountkey"):
        config |= {"account_key": parts["accountkey"], "credential_type": "access_key"}
    else:
        config |= {"sas_key": parts["sharedaccesssignature"].lstrip("?"), "credential_type": "sas_token"}
    return AzureStore(
        container,
        config=config,  # type: ignore[arg-type]
        client_options=options,  # type: ignore[arg-type]
        retry_config=RETRY,  # type: ignore[arg-type]
    )
