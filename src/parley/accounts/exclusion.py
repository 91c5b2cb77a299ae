"""Whom an app keeps out: everybody, or some of its users (`realtime-block.md` 6.5)."""

from __future__ import annotations

import msgspec

from parley.accounts.app_settings import AppSettings
from parley.accounts.scope import AppScope
from parley.base.errors import Invalid, NotAllowed

SECTION = "exclusion"
USERS_LIMIT, USER_ID_LIMIT = 10_000, 200


class ExclusionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `exclusion`."""

    disabled: bool = False
    """Nobody gets in but the customer's server."""
    banned_users: list[str] = []
    """Ids of users who do not."""

    def reason(self, user_id: str | None) -> str | None:
        """Why somebody is kept out; None when they are not."""
        if self.disabled:
            return "This app is disabled."
        if user_id in self.banned_users:
            return "This user is banned."
        return None


class Excluded(NotAllowed):
    """The app is disabled, or the user is banned: trying again would end the same way."""


async def require_admitted(settings: AppSettings, scope: AppScope, user_id: str | None) -> None:
    """Raise `Excluded` for a user whom the app keeps out."""
    reason = (await settings.get(scope, SECTION, ExclusionSettings)).reason(user_id)
    if reason is not None:
        raise Excluded(reason)


def check_users(user_ids: list[str], field: str) -> None:
    """Refuse what cannot be a list of users.

    Raises:
        Invalid: names the first that is none.
    """
    if len(user_ids) > USERS_LIMIT:
        raise Invalid(f"At most {USERS_LIMIT} users are banned.", field=field)
    for place, user_id in enumerate(user_ids):
        if not 1 <= len(user_id) <= USER_ID_LIMIT:
            raise Invalid("This is no id of a user.", field=f"{field}/{place}")
