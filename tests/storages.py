"""Storage servers for tests: real ones, on free ports of the loopback, that keep nothing afterwards.

Context managers that skip the asking test, with the reason, when the program is not installed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import ClassVar

import pytest

AZURITE = Path(__file__).parent / "recordings" / "storage" / "azurite" / "node_modules" / "azurite"
SERVE_S3 = """
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""
TIMEOUT_S = 60.0


def _ask(method: str, url: str, body: bytes | None = None, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, data=body, headers=named)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        content: bytes = answer.read()
        return content


@dataclass(frozen=True)
class S3Server:
    """Moto: S3 in memory, with checksums; Google's XML API is close enough for it as well."""

    url: str

    def make(self, bucket: str) -> str:
        """A bucket for everybody; making it again does nothing."""
        _ask("PUT", f"{self.url}/{bucket}", x_amz_acl="public-read-write")
        return bucket

    def remove(self, bucket: str) -> None:
        """An empty bucket."""
        _ask("DELETE", f"{self.url}/{bucket}")

    def read(self, bucket: str, key: str) -> bytes:
        """An object."""
        return _ask("GET", f"{self.url}/{bucket}/{key}", Authorization="AWS key:signature")

    def keys(self, bucket: str) -> list[str]:
        """Names of all objects."""
        listing = _ask("GET", f"{self.url}/{bucket}?list-type=2").decode()
        return re.findall(r"<Key>([^<]*)</Key>", listing)

    @contextlib.contextmanager
    def with_accounts(self) -> Iterator[None]:
        """Only known keys are accepted in the block; none is known."""
        reset = f"{self.url}/moto-api/reset-auth"
        _ask("POST", reset, b"0", Content_Type="text/plain")
        try:
            yield
        finally:
            _ask("POST", reset, b"inf", Content_Type="text/plain")


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """A running S3-compatible server."""
    pytest.importorskip("moto.server", reason="moto is not installed")
    with subprocess.Popen(
        [sys.executable, "-c", SERVE_S3], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield S3Server(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


@dataclass(frozen=True)
class Azurite:
    """Microsoft's emulator of Azure Blob Storage."""

    url: str
    account: ClassVar[str] = "devstoreaccount1"
    key: ClassVar[str] = (  # printed in Microsoft's manual
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    )

    @property
    def connection_string(self) -> str:
        """As customers write it."""
        return f"DefaultEndpointsProtocol=https;AccountName={self.account};AccountKey={self.key}"

    def _signed(self, method: str, path: str, *canonical: str) -> bytes:
        """With Shared Key authorization."""
        date, version = formatdate(usegmt=True), "2021-08-06"
        resource = "\n".join([f"/{self.account}/{self.account}/{path}", *canonical])
        text = f"{method}{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{version}\n{resource}"
        signature = base64.b64encode(
            hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256).digest()
        ).decode()
        query = "&".join(each.replace(":", "=") for each in canonical)
        return _ask(
            method,
            f"{self.url}/{self.account}/{path}?{query}",
            x_ms_date=date,
            x_ms_version=version,
            Authorization=f"SharedKey {self.account}:{signature}",
        )

    def make(self, container: str) -> str:
        """A container that is not there yet."""
        self._signed("PUT", container, "restype:container")
        return container

    def remove(self, container: str) -> None:
        """It with all blobs."""
        self._signed("DELETE", container, "restype:container")

    def read(self, container: str, key: str) -> bytes:
        """A blob."""
        return self._signed("GET", f"{container}/{key}")

    def keys(self, container: str) -> list[str]:
        """Names of all blobs."""
        listing = self._signed("GET", container, "comp:list", "restype:container").decode()
        return re.findall(r"<Name>([^<]*)</Name>", listing)


@contextlib.contextmanager
def azurite() -> Iterator[Azurite]:
    """A running Azurite."""
    program = AZURITE / "dist" / "src" / "blob" / "main.js"
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if node is None or not program.exists():
        pytest.skip("Azurite is not installed")
    options = ["--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    with subprocess.Popen(
        [node, program, "--blobHost", "127.0.0.1", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.search(r"listens on (http://\S+)", line):
                    yield Azurite(found[1])
                    break
            else:
                raise AssertionError("Azurite did not start")
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the wheel's `node` is a script that starts the real one


@dataclass(frozen=True)
class SshServer:
    """OpenSSH: a process for each connection, which lets the owner of one key use SFTP."""

    port: int
    user: str
    private_key: str
    host_key: str
    """Public, as in `known_hosts`."""
    home: Path
    """Where relative paths begin."""


@contextlib.contextmanager
def ssh_server(folder: Path, sftp_command: str | None = None) -> Iterator[SshServer]:
    """A running sshd that keeps its files below the folder.

    Args:
        folder: empty.
        sftp_command: shell command that speaks SFTP; by default OpenSSH's own, beginning in the home.
    """
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if sshd is None:
        pytest.skip("OpenSSH's server is not installed")
    if os.geteuid() == 0:  # made at boot, which containers do not do
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    # Root needs no PAM, whose sessions fail in many containers; others cannot see without it that they are no
    # locked account.
    pam = "no" if os.geteuid() == 0 else "yes"
    home = folder / "home"
    home.mkdir()
    for name in ("host", "user"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]
        subprocess.run(made, check=True, timeout=TIMEOUT_S)
    (folder / "sshd_config").write_text(
        f"HostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'user.pub'}\nStrictModes no\nUsePAM {pam}\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\n"
        f"Subsystem sftp internal-sftp\nForceCommand {sftp_command or f'internal-sftp -d {home}'}\n"
    )
    children: list[subprocess.Popen[bytes]] = []
    command = [sshd, "-i", "-e", "-f", str(folder / "sshd_config")]
    with socket.create_server(("127.0.0.1", 0)) as listening, (folder / "log").open("wb") as log:

        def serve() -> None:
            with contextlib.suppress(OSError):  # closed at the end
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        children.append(
                            subprocess.Popen(
                                command,
                                stdin=connection.fileno(),
                                stdout=connection.fileno(),
                                stderr=log,
                                start_new_session=True,
                            )
                        )

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield SshServer(
                listening.getsockname()[1],
                pwd.getpwuid(os.geteuid()).pw_name,
                (folder / "user").read_text(),
                (folder / "host.pub").read_text().strip(),
                home,
            )
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # wakes the thread
            thread.join(TIMEOUT_S)
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait(TIMEOUT_S)
