"""S3 and what speaks its protocol: Amazon, DigitalOcean Spaces, Cloudflare R2.

Addresses are made of names that cannot hold anything but a part of a host name, below the provider's domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from obstore.store import S3Store

from parley.recordings.storage import fields
from parley.recordings.storage.objects import RETRY, ObjectStorage, Options
from parley.recordings.storage.refusals import Place
from parley.recordings.storage.target import Rules

if TYPE_CHECKING:
    from obstore.store import S3Credential  # not there at run time

SERVICES = {"aws": "Amazon S3", "digitalocean": "DigitalOcean Spaces", "cloudflare": "Cloudflare R2"}


def storage(config: Mapping[str, Any], rules: Rules) -> ObjectStorage:
    """A bucket of one of `SERVICES`.

    Raises:
        Hopeless: something is missing or cannot be right.
    """
    kind = config["type"]
    bucket = fields.bucket(config)
    endpoint, region = _address(kind, config)
    own = rules.endpoints.get(kind)
    make = partial(
        _store,
        bucket,
        own or endpoint,
        region,
        fields.needed(config, "access_key"),
        fields.needed(config, "secret"),
        kind == "aws",
    )
    place = Place(SERVICES[kind], bucket)
    return ObjectStorage(
        make, place, None if own else rules.policy, allows_http=bool(own and own.startswith("http:"))
    )


def _address(kind: str, config: Mapping[str, Any]) -> tuple[str, str]:
    """The endpoint of the provider and the region that requests are signed for."""
    if kind == "cloudflare":
        return f"https://{fields.label(config, 'account_id')}.r2.cloudflarestorage.com", "auto"
    region = fields.label(config, "region")
    if kind == "digitalocean":
        return f"https://{region}.digitaloceanspaces.com", region
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{domain}", region


def _store(
    bucket: str, endpoint: str, region: str, key: str, secret: str, has_checksums: bool, options: Options
) -> S3Store:
    config: dict[str, Any] = {
        "endpoint": endpoint,
        "region": region,
        "virtual_hosted_style_request": False,
        "skip_signature": False,
        "unsigned_payload": False,
    }
    if has_checksums:  # buckets with object lock demand one; the others do not all know it
        config["checksum_algorithm"] = "SHA256"
    # Given this way, no token in the environment of the server is sent along.
    given: S3Credential = {
        "access_key_id": key,
        "secret_access_key": secret,
        "token": None,
        "expires_at": None,
    }
    return S3Store(
        bucket,
        config=config,  # type: ignore[arg-type]
        credential_provider=lambda: given,
        client_options=options,  # type: ignore[arg-type]
        retry_config=RETRY,  # type: ignore[arg-type]
    )
