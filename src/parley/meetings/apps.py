"""A new app, with what belongs to it."""

from __future__ import annotations

from parley.accounts.model import App, Right
from parley.accounts.scope import Scope
from parley.accounts.service import add_app
from parley.base.errors import Invalid
from parley.meetings import store
from parley.meetings.catalogue import default_presets

NAME_LIMIT = 128


async def create_app(scope: Scope, name: str) -> App:
    """An app and its default presets, in one change; a name may be taken twice.

    Raises:
        Invalid: the name without surrounding space has not 1 to 128 characters.
    """
    scope.require(Right.WRITE)
    name = name.strip()
    if not name:
        raise Invalid('"name" is not allowed to be empty', field="name")
    if len(name) > NAME_LIMIT:
        raise Invalid(f'"name" must have at most {NAME_LIMIT} characters', field="name")
    async with scope.change() as change:
        app = await add_app(change, name)
        for preset in default_presets(app.id, app.created_at):
            await store.insert_preset(change, preset)
    return app
