"""The private configuration of one Janus run."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from parley.base.errors import Invalid

_LIBRARY_KINDS = ("plugins", "transports", "events", "loggers")
_PLUGIN = "libjanus_videoroom.so"
_TRANSPORT = "libjanus_websockets.so"


@dataclass(frozen=True, slots=True)
class JanusOptions:
    """How Janus is found and how it reaches browsers."""

    binary: str | None = None
    """Path of the program; None searches `PATH`."""
    library_folder: Path | None = None
    """The folder that holds `plugins/` and `transports/`; None searches the usual places."""
    runtime_folder: Path | None = None
    """Where the private folder is made; a temporary folder if None or too long for a unix socket."""
    captures_folder: Path | None = None
    """Where what participants send is written for recordings; None captures nothing."""
    rtp_ports: tuple[int, int] = (20000, 20999)
    """First and last UDP port for media; each transport takes one."""
    public_addresses: tuple[str, ...] = ()
    """Addresses that browsers reach us at, when a router or cloud translates them (1:1 NAT)."""
    interfaces: tuple[str, ...] = ()
    """Interface names or address prefixes to offer; empty means all but loopback."""
    ice_lite: bool = False
    """Answer connectivity checks only. Right for a server whose offered address browsers reach directly."""

    def __post_init__(self) -> None:
        first, last = self.rtp_ports
        if not 1024 <= first < last <= 65535:
            raise Invalid(
                "The media port range must lie within 1024 to 65535 and hold two ports or more.",
                field="rtp_ports",
            )
        for address in self.public_addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError as error:
                raise Invalid(f"{address!r} is not an IP address.", field="public_addresses") from error
        for interface in self.interfaces:
            if not interface or not all(c.isalnum() or c in "._:-@" for c in interface):
                raise Invalid(f"{interface!r} is not an interface or address prefix.", field="interfaces")


DEFAULT_OPTIONS = JanusOptions()


def _secret() -> str:
    return secrets.token_hex(24)


@dataclass(frozen=True, slots=True)
class JanusSecrets:
    """Made anew for each run; whoever has them controls that run."""

    api: str = field(default_factory=_secret, repr=False)
    admin: str = field(default_factory=_secret, repr=False)
    room_creation: str = field(default_factory=_secret, repr=False)
    room: str = field(default_factory=_secret, repr=False)


def write_configuration(
    folder: Path, socket_path: Path, libraries: Path, options: JanusOptions, keys: JanusSecrets
) -> Path:
    """Write the configuration files into the (private) folder; returns the main file's path.

    The admin interface listens beside the control socket, at `admin_path`.
    """
    main = folder / "janus.jcfg"
    main.write_text(_main_file(folder, libraries, options, keys))
    (folder / "janus.transport.websockets.jcfg").write_text(_control_file(socket_path))
    (folder / "janus.plugin.videoroom.jcfg").write_text(
        _block("general", {"string_ids": True, "admin_key": keys.room_creation, "lock_rtp_forward": True})
    )
    return main


def _main_file(folder: Path, libraries: Path, options: JanusOptions, keys: JanusSecrets) -> str:
    general: dict[str, str | int | bool] = {
        "configs_folder": str(folder),
        "api_secret": keys.api,
        "admin_secret": keys.admin,
        "debug_level": 3,  # warnings; level 4 tells of every packet type it meets
        "debug_colors": False,
        "session_timeout": 60,
        "reclaim_session_timeout": 0,  # free everything as soon as our connection is gone
        "hide_dependencies": True,
        "server_name": "parley",
    }
    for kind in _LIBRARY_KINDS:
        general[f"{kind}_folder"] = str(libraries / kind)
    nat: dict[str, str | int | bool] = {"ice_lite": options.ice_lite}
    if options.public_addresses:
        nat["nat_1_1_mapping"] = ",".join(options.public_addresses)
        nat["keep_private_host"] = True
    if options.interfaces:
        nat["ice_enforce_list"] = ",".join(options.interfaces)
    first, last = options.rtp_ports
    return "".join(
        (
            _block("general", general),
            _block("media", {"rtp_port_range": f"{first}-{last}"}),
            _block("nat", nat),
            _block("plugins", {"disable": _all_but(libraries / "plugins", _PLUGIN)}),
            _block("transports", {"disable": _all_but(libraries / "transports", _TRANSPORT)}),
            _block("loggers", {"disable": _all_but(libraries / "loggers", None)}),
            _block("events", {"broadcast": False, "disable": _all_but(libraries / "events", None)}),
        )
    )


def _control_file(socket_path: Path) -> str:
    """WebSocket over a unix socket.

    The datagram transport (pfunix) would be simpler, but it drops requests over 8,192 bytes,
    and the offer of a receiver of ten people is larger.
    """
    return _block(
        "general", {"json": "compact", "ws": True, "ws_unix": str(socket_path), "wss": False}
    ) + _block("admin", {"admin_ws": True, "admin_ws_unix": str(admin_path(socket_path)), "admin_wss": False})


def admin_path(socket_path: Path) -> Path:
    """Where the admin interface listens; no longer than the control socket's path."""
    return socket_path.with_name("admin.sock")


def _all_but(folder: Path, kept: str | None) -> str:
    """Names of the libraries to leave unloaded, in Janus's comma separated form."""
    names = sorted(path.name for path in folder.glob("libjanus_*.so"))
    return ",".join(name for name in names if name != kept)


def _block(name: str, settings: dict[str, str | int | bool]) -> str:
    lines = [f"  {key} = {_value(value)}" for key, value in settings.items()]
    return "\n".join((f"{name}: {{", *lines, "}", ""))


def _value(value: str | int | bool) -> str:
    """A libconfig literal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    if any(ord(character) < 32 for character in escaped):
        raise Invalid("A media setting contains a control character.")
    return f'"{escaped}"'
