"""Opening `private:` and `presence:` channels: what the application's server answers to `auth_endpoint`."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


def sign_channel(
    secret_key: str,
    app_id: str,
    socket_id: str,
    channel: str,
    channel_data: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Let one connection into one channel; answer with it as JSON. Check first that its user may.

    Args:
        secret_key: of the environment (`sk_…`).
        app_id: of the environment.
        socket_id: as the client sent it; the signature is worthless on another connection.
        channel: as the client sent it (`channel_name`).
        channel_data: who it is: `user_id` and `user_info`; needed for `presence:` channels.
    """
    text = None
    if channel_data is not None:
        text = json.dumps(channel_data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    signed = ":".join([socket_id, channel, *([] if text is None else [text])])
    signature = hmac.new(secret_key.encode(), signed.encode(), hashlib.sha256).hexdigest()
    answer = {"auth": f"{app_id}:{signature}"}
    # As text, not as an object: then there is no question which of its spellings was signed.
    return answer if text is None else answer | {"channel_data": text}
