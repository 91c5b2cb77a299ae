"""Identifiers.

All are lower-case UUID version 4 texts (`realtimekit.md` 1.1), except an organization's, which is
32 hexadecimal digits. Each kind is a type of its own, so that mixing them is a type error.
"""

from __future__ import annotations

import os
import re
import uuid
from typing import NewType

OrganizationId = NewType("OrganizationId", str)
AppId = NewType("AppId", str)
CredentialId = NewType("CredentialId", str)
MeetingId = NewType("MeetingId", str)
PresetId = NewType("PresetId", str)
ParticipantId = NewType("ParticipantId", str)
"""A durable invitation of somebody to one meeting."""
SessionId = NewType("SessionId", str)
"""One live run of a meeting."""
PeerId = NewType("PeerId", str)
"""One connection of a participant; chosen by the client, bound to its token at first use."""
MessageId = NewType("MessageId", str)
PollId = NewType("PollId", str)
WebhookId = NewType("WebhookId", str)
DeliveryId = NewType("DeliveryId", str)
FileId = NewType("FileId", str)

_AT_ONCE = 64
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


_random: list[str] = []
"""For the next ids: the system is asked for many at a time, since asking takes longer than all the rest."""
os.register_at_fork(after_in_child=_random.clear)  # or parent and child would make the same ids


def new_digits() -> str:
    """32 fresh random hexadecimal digits."""
    if not _random:
        digits = os.urandom(16 * _AT_ONCE).hex()
        _random.extend(digits[n : n + 32] for n in range(0, len(digits), 32))
    return _random.pop()


def new_uuid() -> str:
    """A fresh random id."""
    digits = new_digits()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def new_organization_id() -> OrganizationId:
    """A fresh organization id: 32 hexadecimal digits."""
    return OrganizationId(uuid.uuid4().hex)


def is_uuid(text: str) -> bool:
    """Whether the text has the form of a UUID (any version, either case)."""
    return _UUID.fullmatch(text) is not None
