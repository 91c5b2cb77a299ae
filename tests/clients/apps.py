"""Apps for the clients' tests, made beside a server as its operator would."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from parley.accounts import app_settings
from parley.accounts import service as accounts
from parley.accounts.keys import create_keys
from parley.accounts.model import Environment
from parley.accounts.plans import PlanSettings
from parley.base.settings import Settings
from parley.server.app import open_store


class MadeApp(NamedTuple):
    """An app and its keys."""

    id: str
    publishable_key: str
    secret_key: str


async def make_unlimited_app(data: Path) -> MadeApp:
    """An app whose plan has no limits, in a data folder; a server may run on it."""
    store = await open_store(Settings(data=data))
    try:
        scope, _ = await accounts.ensure_organization(store)
        async with scope.change() as change:
            app = await accounts.add_app(change, "client")
        keys = await create_keys(scope, app.id, Environment.LIVE)
        async with scope.app(app.id).change() as change:
            await app_settings.write(change, "plan", PlanSettings(plan="enterprise"))
        return MadeApp(app.public_id, keys.publishable, keys.secret)
    finally:
        await store.database.close()
