"""Where a stream is pushed to."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from parley.base.errors import Invalid

_PORTS = {"rtmp": 1935, "rtmps": 443}


class Target(NamedTuple):
    """An RTMP URL."""

    host: str
    port: int
    is_tls: bool
    application: str
    stream: str
    """Its name, mostly a secret, with any query."""
    tc_url: str
    """The URL without the stream's name, as the protocol wants it told."""

    @classmethod
    def of(cls, url: str) -> Target:
        """Read a URL.

        Raises:
            Invalid: it is none of RTMP.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as wrong:
            raise Invalid("The RTMP URL cannot be read.", field="rtmp_url") from wrong
        folders = parts.path.strip("/").split("/")
        if parts.scheme not in _PORTS or not parts.hostname or len(folders) < 2:
            raise Invalid("An RTMP URL looks like rtmp://host/application/name.", field="rtmp_url")
        # An application may have an instance, as in rtmp://host/application/instance/name.
        among = 1 if len(folders) == 2 else 2
        application, stream = "/".join(folders[:among]), "/".join(folders[among:])
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            is_tls=parts.scheme == "rtmps",
            application=application,
            stream=stream + (f"?{parts.query}" if parts.query else ""),
            tc_url=f"{parts.scheme}://{f'{host}:{port}' if port else host}/{application}",
        )
