"""Which addresses of this machine the media engine can offer, and what is wrong if there are none."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from dataclasses import dataclass

from parley.base.settings import Settings

# ioctl(2) requests and flags of netdevice(7)
_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface that is up and has an IPv4 address; the engine offers no others."""

    name: str
    address: str

    def matches(self, prefix: str) -> bool:
        """Whether an entry of `media_interfaces` means it, as the engine compares them."""
        return self.name.startswith(prefix) or self.address.startswith(prefix)

    @property
    def is_private(self) -> bool:
        """Whether only its own network can reach it."""
        return ipaddress.ip_address(self.address).is_private


def interfaces() -> list[Interface]:
    """All of this machine but loopback, which the engine refuses to use."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode())
            try:
                (flags,) = struct.unpack_from("H", fcntl.ioctl(asking, _SIOCGIFFLAGS, request), 16)
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, request)
            except OSError:  # no IPv4 address, or gone meanwhile
                continue
            if flags & _IFF_UP and not flags & _IFF_LOOPBACK:
                found.append(Interface(name, socket.inet_ntoa(answer[20:24])))
    return found


def media_interfaces(settings: Settings) -> list[Interface]:
    """Those that media will use: what the setting names, or all when it names none of them."""
    there = interfaces()
    named = [each for each in there if any(each.matches(name) for name in settings.media_interfaces)]
    return named or there


def media_obstacle(settings: Settings) -> str | None:
    """Why no browser can exchange media with this machine, and what mends it; None if nothing is seen."""
    if media_interfaces(settings):
        return None
    return (
        "This machine has no network address besides loopback, which the media engine cannot use: browsers "
        "on other machines cannot reach it, and those on this one get no media either. Connect it to a "
        "network and restart; --media-interfaces chooses one of several."
    )


def unknown_interfaces(settings: Settings) -> str | None:
    """That `media_interfaces` names nothing here, so that the engine ignores it; None if it does."""
    wanted, used = settings.media_interfaces, media_interfaces(settings)
    if not wanted or not used or any(each.matches(name) for each in used for name in wanted):
        return None
    there = ", ".join(f"{each.name} ({each.address})" for each in used)
    return (
        f"--media-interfaces {','.join(wanted)} names no interface or address of this machine that media can "
        f"use, so media uses all of them: {there}."
    )
