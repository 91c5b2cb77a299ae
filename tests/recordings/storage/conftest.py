"""One customer's storage of each kind, on real servers, all used in the same way."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from parley.outgoing.http import OutgoingPolicy
from parley.recordings.storage.choice import target_of
from parley.recordings.storage.target import Patience, Rules, Target
from tests.storages import Azurite, S3Server, SshServer, azurite, s3_server, ssh_server

PATH = "calls/of today"
PART = 8 << 20
LARGE = 2 * PART + 12_345
SOON = Patience(attempts=3, first_delay_s=0.01)
ONCE = Patience(attempts=1)
ANYWHERE = OutgoingPolicy()


@dataclass(frozen=True)
class Case:
    """A storage that is there, and what is in it."""

    kind: str
    config: dict[str, Any]
    host: str
    port: int
    read: Callable[[str], bytes]
    """The content of a file, by its name below the path."""
    names: Callable[[], list[str]]
    """Of all files below the path, drafts as well."""
    remove: Callable[[], None]
    """The bucket."""

    def rules(self, port: int | None = None, patience: Patience = SOON) -> Rules:
        """The operator's, with the storage at that port."""
        address = f"http://{self.host}:{port or self.port}"
        return Rules(ANYWHERE, {} if self.kind == "sftp" else {self.kind: address}, patience=patience)

    def target(self, port: int | None = None, patience: Patience = SOON, **other: Any) -> Target:
        """The storage, at another port if so, with other members in its configuration."""
        moved = {"port": port} if port and self.kind == "sftp" else {}
        return target_of({**self.config, **moved, **other}, self.rules(port, patience))


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """Moto."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def azure() -> Iterator[Azurite]:
    """Azurite."""
    with azurite() as server:
        yield server


@pytest.fixture(scope="session")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """OpenSSH."""
    with ssh_server(tmp_path_factory.mktemp("ssh")) as server:
        yield server


@pytest.fixture(scope="session")
def service_account() -> str:
    """A key file of Google's form."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file = {
        "type": "service_account",
        "client_email": "recorder@example.iam.gserviceaccount.com",
        "private_key_id": "key-1",
        "private_key": pem,
        "token_uri": "http://127.0.0.1:1/token",
        "gcs_base_url": "http://127.0.0.1:1",
    }
    return msgspec.json.encode(file).decode()


def sftp_config(server: SshServer, path: str = PATH, **other: Any) -> dict[str, Any]:
    """A `storage_config` of that server."""
    return {
        "type": "sftp",
        "host": "127.0.0.1",
        "port": server.port,
        "username": server.user,
        "auth_method": "KEY",
        "private_key": server.private_key,
        "path": path,
        **other,
    }


@pytest.fixture(params=["aws", "azure", "gcs", "sftp"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """An empty storage of each kind."""
    return _case(request.param, request, tmp_path)


@pytest.fixture(params=["aws", "azure", "gcs"])
def buckets(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """An empty object store of each kind."""
    return _case(request.param, request, tmp_path)


def _case(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    # Letters and digits only: obstore escapes everything else towards Google, which moto takes literally.
    unique = "b" + re.sub(r"[^a-z0-9]+", "", tmp_path.name.lower())[-60:]
    if kind == "sftp":
        ssh: SshServer = request.getfixturevalue("ssh")
        folder = ssh.home / unique / PATH

        def list_folder() -> list[str]:
            return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

        config = sftp_config(ssh, f"{unique}/{PATH}")
        return Case(
            kind,
            config,
            "127.0.0.1",
            ssh.port,
            lambda name: (folder / name).read_bytes(),
            list_folder,
            lambda: None,
        )
    server: S3Server | Azurite = request.getfixturevalue("azure" if kind == "azure" else "s3")
    bucket = server.make(unique)
    config = {"type": kind, "bucket": bucket, "path": PATH, "region": "eu-central-1"}
    if isinstance(server, Azurite):
        config["access_key"] = server.connection_string
    elif kind == "gcs":
        config["secret"] = request.getfixturevalue("service_account")
    else:
        config |= {"access_key": "key", "secret": "secret"}
    address = urlsplit(server.url)
    quoted = PATH.replace(" ", "%20")
    assert address.hostname
    assert address.port
    return Case(
        kind,
        config,
        address.hostname,
        address.port,
        lambda name: server.read(bucket, f"{quoted}/{name}"),
        lambda: [key.removeprefix(f"{PATH}/") for key in server.keys(bucket)],
        lambda: server.remove(bucket),
    )


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A recording of several parts, no two alike."""
    path = tmp_path / "large.mp4"
    path.write_bytes(os.urandom(1 << 20) * (LARGE >> 20) + os.urandom(LARGE % (1 << 20)))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Something small."""
    path = tmp_path / "file"
    path.write_bytes(b"moving pictures")
    return path
