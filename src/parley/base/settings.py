"""Every setting of the server: its default, its meaning and an example that is not the default.

Each is a flag of `parley serve` and an environment variable (`PARLEY_` and the name in capitals); the
reference in the documentation is generated from here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


def setting(default: Any, meaning: str, *, example: str, secret: bool = False) -> Any:
    """One setting."""
    facts = {"meaning": meaning, "example": example, "secret": secret}
    return field(default=default, metadata=facts, repr=not secret)


def default_data_folder() -> Path:
    """`parley` in the user's data folder (XDG base directories)."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "parley"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A whole configuration; immutable once the server runs."""

    data: Path = setting(None, "Folder for the database, files and keys.", example="/var/lib/parley")
    host: str = setting("127.0.0.1", "Address to listen on.", example="0.0.0.0")  # noqa: S104
    port: int = setting(7800, "Port to listen on; 0 takes any free one.", example="8443")
    public_url: str = setting(
        "",
        "Where browsers reach this server; by default http://localhost and the port.",
        example="https://meet.example.org",
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
        "Id of the first account (32 hexadecimal digits), for scripted servers.",
        example="0123456789abcdef0123456789abcdef",
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
    rate_limits: bool = setting(True, "Limit how often one caller may ask.", example="no-rate-limits")
    token_days: int = setting(100, "How long participant tokens work, in days.", example="7")
    chat_file_mb: int = setting(25, "Largest file in chat, in megabytes.", example="100")
    private_webhooks: bool = setting(
        True,
        "Let webhooks reach private and loopback addresses (never link-local ones).",
        example="no-private-webhooks",
    )
    private_outgoing: bool = setting(
        False,
        "Let apps of the Real Time Block name webhooks, key sets, authorizers and text engines at private and"
        " loopback addresses.",
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
    rtp_ports: str = setting("20000-20999", "UDP ports for media.", example="40000-40499")
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
    coturn_port: int = setting(3478, "Port of that relay.", example="443")
    tls: bool = setting(
        False,
        "Serve https; without a certificate a local authority is made in the data folder.",
        example="tls",
    )
    tls_certificate: str = setting("", "Certificate chain, PEM.", example="/etc/ssl/parley.pem")
    tls_key: str = setting("", "Private key of the certificate, PEM.", example="/etc/ssl/parley.key")
    log_level: str = setting("info", "debug, info, warning or error.", example="debug")
    log_json: bool = setting(False, "Write logs as JSON lines.", example="log-json")

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.data or default_data_folder()

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
