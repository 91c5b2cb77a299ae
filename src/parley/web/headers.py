"""Response headers of the pages: what a browser may load, send and use.

The content security policy is the proof that no request leaves the operator's host: only our own origin, and
origins the operator has named, are allowed anywhere.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from parley.web.context import WebContext

IMMUTABLE = "public, max-age=31536000, immutable"
"""For files whose name contains a hash of their content."""

REVALIDATE = "no-cache"
"""For files under fixed names: kept by the browser, asked for again by entity tag."""

PRIVATE = "no-store"
"""For answers that carry join links."""

_PERMISSIONS = (
    "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), fullscreen=(self), "
    "picture-in-picture=(self), screen-wake-lock=(self), clipboard-write=(self), "
    "geolocation=(), payment=(), usb=(), serial=(), midi=()"
)


def _websocket_origin(public_url: str) -> str:
    """The socket form of our own origin: Safari before 15.4 does not count it as 'self'."""
    parts = urlsplit(public_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return f"{scheme}://{parts.netloc}"


def content_security_policy(context: WebContext) -> str:
    """One policy for all pages.

    Inline styles are allowed because the UI kit's components carry theirs; inline scripts and `eval` are not.
    Workers come from `blob:` because the SDK builds its timer worker from a string.
    """
    own = " ".join(("'self'", *context.resource_origins))
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self'",
            f"img-src {own} data: blob:",
            f"media-src {own} data: blob:",
            f"connect-src {own} {_websocket_origin(context.public_url)}",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            " ".join(("frame-ancestors 'self'", *context.frame_ancestors)),
        )
    )


def page_headers(context: WebContext) -> dict[str, str]:
    """Headers of every HTML page."""
    return {
        "Content-Security-Policy": content_security_policy(context),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Permissions-Policy": _PERMISSIONS,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": REVALIDATE,
    }


def asset_headers(path: str) -> dict[str, str]:
    """Headers of a built file, by its path under `dist/`; the shim may be loaded by other sites too."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": IMMUTABLE if path.startswith("assets/") else REVALIDATE,
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if path == "meet/shim.js":
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        headers["Access-Control-Allow-Origin"] = "*"
    return headers
