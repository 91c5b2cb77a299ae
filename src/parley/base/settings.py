"""Every setting of the server: its default, its meaning and an example that is not the default.

Each is a flag of `parley serve` and an environment variable (`PARLEY_` and the name in capitals); the
reference in the documentation is generated from here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from parley.base.errors import Invalid

Check = Callable[[Any], str | None]
"""What is wrong with a value, as the end of a sentence; None when nothing is."""


def setting(
    default: Any, meaning: str, *, example: str, secret: bool = False, check: Check | None = None
) -> Any:
    """One setting; the default is never checked."""
    facts = {"meaning": meaning, "example": example, "secret": secret, "check": check}
    return field(default=default, metadata=facts, repr=not secret)


def _between(least: int, most: int) -> Check:
    return lambda value: None if least <= value <= most else f"must be between {least} and {most}"


def _form(pattern: str, words: str) -> Check:
    return lambda value: None if not value or re.fullmatch(pattern, value) else f"must be {words}"


def _port_range(value: str) -> str | None:
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", value)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    is_range = 0 < first <= last < 65_536
    return None if is_range else "must be two ports such as 20000-20999, the lower one first"


def _endpoints(values: tuple[str, ...]) -> str | None:
    kinds = ("aws", "digitalocean", "cloudflare", "azure", "gcs")
    form = rf"({'|'.join(kinds)})=https?://[^\s/?#@]+(/[^\s?#]*)?"
    if all(re.fullmatch(form, value) for value in values):
        return None
    return f"must be pairs such as aws=https://s3.example.org, of {', '.join(kinds)}"


_PORT = _between(0, 65_535)


def default_data_folder() -> Path:
    """`parley` in the user's data folder (XDG base directories)."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "parley"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A whole configuration; immutable once the server runs."""

    data: Path = setting(None, "Folder for the database, files and keys.", example="/var/lib/parley")
    host: str = setting("127.0.0.1", "Address to listen on.", example="0.0.0.0")  # noqa: S104
    port: int = setting(7800, "Port to listen on; 0 takes any free one.", example="8443", check=_PORT)
    public_url: str = setting(
        "",
        "Where browsers reach this server; by default http://localhost and the port.",
        example="https://meet.example.org",
        check=_form(r"https?://[^\s/?#]+/?", "an origin such as https://meet.example.org"),
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), "Addresses of reverse proxies whose forwarding headers are believed.", example="10.0.0.5"
    )
    database_url: str = setting(
        "",
        "PostgreSQL to use; by default SQLite in the data folder.",
        example="postgresql://parley@db.example.org/parley",
    )
    redis_url: str = setting(
        "",
        "Redis (or Valkey) that connects several server processes; by default none.",
        example="redis://redis.example.org:6379/0",
        check=_form(r"(rediss?|unix)://.+", "an address that begins with redis://, rediss:// or unix://"),
    )
    storage_url: str = setting(
        "",
        "S3-compatible bucket for files; by default a folder in the data folder.",
        example="s3://parley-files/prefix",
    )
    storage_endpoint: str = setting(
        "",
        "Address of the S3-compatible service, unless it is the provider's default.",
        example="https://s3.example.org",
    )
    storage_region: str = setting("us-east-1", "Region of the bucket.", example="eu-central-1")
    storage_access_key: str = setting("", "Access key of the bucket.", example="AKIA…", secret=True)
    storage_secret_key: str = setting("", "Secret key of the bucket.", example="…", secret=True)
    secret_key: str = setting(
        "",
        "Key that seals secrets at rest (32 bytes, base64); by default a file in the data folder.",
        example="$(head -c32 /dev/urandom | base64)",
        secret=True,
    )
    bootstrap_account_id: str = setting(
        "",
        "Id of the first account (at most 32 letters and digits), for scripted servers.",
        example="0123456789abcdef0123456789abcdef",
        check=_form(r"[0-9A-Za-z]{1,32}", "at most 32 letters and digits"),
    )
    bootstrap_token: str = setting(
        "",
        "API token of the first account, for scripted servers.",
        example="a long random text",
        secret=True,
    )
    demo: bool = setting(
        True,
        "Let the start page create demo meetings, and let visitors into the demo chat room.",
        example="no-demo",
    )
    api_prefix: str = setting(
        "/client/v4",
        "Path in front of the RealtimeKit API, which also answers without it.",
        example="/api/v4",
        check=_form(r"(/[A-Za-z0-9._~-]+)+", "a path such as /client/v4"),
    )
    api_key_header: bool = setting(
        False,
        "Also take tokens of the RealtimeKit API from X-Auth-Key, next to any X-Auth-Email.",
        example="api-key-header",
    )
    rate_limits: bool = setting(True, "Limit how often one caller may ask.", example="no-rate-limits")
    idle_seconds: int = setting(
        75,
        "Silence after which a socket of the Real Time Block is closed; answers to pings count.",
        example="120",
        check=_between(1, 3_600),
    )
    token_days: int = setting(
        100, "How long participant tokens work, in days.", example="7", check=_between(1, 36_500)
    )
    chat_file_mb: int = setting(
        25, "Largest file in chat, in megabytes.", example="100", check=_between(1, 100_000)
    )
    recording_days: int = setting(
        7, "How long finished recordings can be downloaded, in days.", example="30", check=_between(1, 36_500)
    )
    chat_days: int = setting(
        7,
        "How long chat is kept after its session, in days, unless the meeting persists it.",
        example="30",
        check=_between(1, 36_500),
    )
    history_days: int = setting(
        180,
        "How long sessions, their peers and the quality of their calls are remembered, in days.",
        example="365",
        check=_between(1, 36_500),
    )
    webhook_log_days: int = setting(
        30,
        "How long the log of webhook deliveries is kept, in days.",
        example="90",
        check=_between(1, 36_500),
    )
    storage_endpoint_of: tuple[str, ...] = setting(
        (),
        "Addresses to use instead of the provider's for recordings that go to customers' storage.",
        example="aws=https://s3.example.org",
        check=_endpoints,
    )
    storage_known_hosts: str = setting(
        "",
        "Keys of the SFTP servers that recordings may go to, as in OpenSSH's known_hosts; by default any key"
        " is taken.",
        example="/etc/ssh/ssh_known_hosts",
    )
    captures_folder: str = setting(
        "",
        "Folder for what is captured until a recording is finished; several servers share one. "
        "By default in the data folder.",
        example="/srv/parley/captures",
    )
    private_webhooks: bool = setting(
        True,
        "Let webhooks reach private and loopback addresses (never link-local ones).",
        example="no-private-webhooks",
    )
    legacy_webhook_headers: bool = setting(
        False,
        "Send webhooks of RealtimeKit with the headers of its ancestor as well (dyte-signature and so on).",
        example="legacy-webhook-headers",
    )
    private_outgoing: bool = setting(
        False,
        "Let customers name webhooks, key sets, authorizers and text engines of the Real Time Block, and"
        " storage for recordings, at private and loopback addresses.",
        example="private-outgoing",
    )
    ai_url: str = setting(
        "",
        "OpenAI-compatible chat endpoint for apps that want a model for their summaries and name none.",
        example="https://llm.example.org/v1",
    )
    ai_model: str = setting("", "Model of that endpoint.", example="llama-3.3-70b")
    ai_key: str = setting("", "API key of that endpoint.", example="sk-...", secret=True)
    media: bool = setting(True, "Run the media engine (Janus) as a child of this server.", example="no-media")
    janus_binary: str = setting(
        "", "Path of Janus; by default found in PATH.", example="/opt/janus/bin/janus"
    )
    rtp_ports: str = setting("20000-20999", "UDP ports for media.", example="40000-40499", check=_port_range)
    media_addresses: tuple[str, ...] = setting(
        (),
        "Public addresses of this machine, when a router or cloud translates them.",
        example="203.0.113.7",
    )
    media_interfaces: tuple[str, ...] = setting(
        (), "Interfaces or address prefixes for media; by default all but loopback.", example="eth0"
    )
    ice_lite: bool = setting(
        False,
        "Only answer connectivity checks; right for a server with a public address.",
        example="ice-lite",
    )
    ice_urls: tuple[str, ...] = setting(
        (),
        "STUN and TURN servers that browsers are told of.",
        example="turn:turn.example.org:3478?transport=udp",
    )
    turn_secret: str = setting(
        "", "Secret shared with the TURN servers of ice_urls.", example="a long random text", secret=True
    )
    coturn_address: str = setting(
        "",
        "Run a TURN relay (coturn) as a child on this address of the machine; by default none.",
        example="192.0.2.10",
    )
    coturn_port: int = setting(3478, "Port of that relay.", example="443", check=_between(1, 65_535))
    rtmp_port: int = setting(
        1935,
        "Port to take RTMP on for live streams, with nginx as a child of this server; 0 takes none.",
        example="1936",
        check=_PORT,
    )
    tls: bool = setting(
        False,
        "Serve https; without a certificate a local authority is made in the data folder.",
        example="tls",
    )
    tls_certificate: str = setting("", "Certificate chain, PEM.", example="/etc/ssl/parley.pem")
    tls_key: str = setting("", "Private key of the certificate, PEM.", example="/etc/ssl/parley.key")
    log_level: str = setting(
        "info",
        "debug, info, warning or error.",
        example="debug",
        check=_form("debug|info|warning|error", "debug, info, warning or error"),
    )
    log_json: bool = setting(False, "Write logs as JSON lines.", example="log-json")

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.data or default_data_folder()

    @property
    def storage_endpoints(self) -> dict[str, str]:
        """`storage_endpoint_of` by type of storage, without a slash at the end."""
        pairs = (pair.partition("=") for pair in self.storage_endpoint_of)
        return {kind: address.rstrip("/") for kind, _, address in pairs}

    @property
    def captures(self) -> Path:
        """Where the media engine writes what it captures."""
        return Path(self.captures_folder) if self.captures_folder else self.folder / "captures"

    def make_folder(self) -> Path:
        """The data folder, made if it is not there yet, for nobody else to read.

        Raises:
            Invalid: it cannot be made or written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as refused:
            why = f"cannot be made ({refused.strerror})"
            raise Invalid(f"The data folder {self.folder} {why}. Choose another with --data.") from refused
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise Invalid(f"The data folder {self.folder} cannot be written to. Choose another with --data.")
        return self.folder

    @property
    def database(self) -> str:
        """`sqlite:<path>` or the URL of PostgreSQL."""
        return self.database_url or f"sqlite:{self.folder / 'parley.db'}"

    @property
    def rtp_port_range(self) -> tuple[int, int]:
        """First and last media port."""
        first, _, last = self.rtp_ports.partition("-")
        return int(first), int(last or first)


SETTINGS = fields(Settings)
"""All of them, in the order of the reference."""
