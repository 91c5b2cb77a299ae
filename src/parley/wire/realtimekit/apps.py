"""Apps (`realtimekit.md` section 3)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from parley.accounts import service as accounts
from parley.accounts.model import App
from parley.base.errors import NotFound
from parley.base.ids import AppId, is_uuid
from parley.base.paging import Order
from parley.base.times import iso_ms
from parley.meetings.apps import create_app
from parley.wire.realtimekit.answers import Many, One, Timestamp, Uuid, many
from parley.wire.realtimekit.endpoint import Call, Routes
from parley.wire.realtimekit.reading import PageQuery

routes = Routes("Apps")


class AppShape(msgspec.Struct, frozen=True):
    """An app: an isolated namespace of meetings, presets and webhooks."""

    id: Uuid
    name: str
    created_at: Timestamp


class NewApp(msgspec.Struct, frozen=True):
    """An app that was just created."""

    app: AppShape


class AppBody(msgspec.Struct, frozen=True):
    """A new app."""

    name: Annotated[str, Meta(min_length=1)]
    """1 to 128 characters without the space around them."""


class AppQuery(PageQuery, frozen=True, kw_only=True):
    """Which apps."""

    search: str = ""
    sort_order: Literal["ASC", "DESC"] = "DESC"


def _shape(app: App) -> AppShape:
    return AppShape(app.id, app.name, iso_ms(app.created_at))


@routes.get("apps")
async def list_apps(call: Call, query: AppQuery) -> Many[AppShape]:
    """List apps.

    `search` is part of a name, or a whole id.
    """
    page = await accounts.list_apps(call.scope, query.search or None, Order(query.sort_order), query.page())
    return many(page, _shape)


@routes.post("apps")
async def add_app(call: Call, body: AppBody) -> One[NewApp]:
    """Create an app.

    It begins with nine presets. Names need not differ.
    """
    return One(NewApp(_shape(await create_app(call.scope, body.name))))


@routes.get("apps/{app_id}")
async def get_app(call: Call, app_id: str) -> One[AppShape]:
    """Get an app."""
    if not is_uuid(app_id):
        raise NotFound(f"No app found with id {app_id}")
    return One(_shape(await accounts.get_app(call.scope, AppId(app_id))))
