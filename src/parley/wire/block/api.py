"""Every REST route of the Real Time Block, as one ASGI application."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from parley.base.errors import NotFound, ParleyError
from parley.wire.asgi import Answer, Header, Request, RestApi
from parley.wire.block import channels, conversations, health, notifications, people, rooms, settings
from parley.wire.block.endpoint import Context, Endpoint, Routes, answer, refuse
from parley.wire.block.errors import MethodNotAllowed
from parley.wire.block.webhooks import endpoints as webhooks

AREAS: tuple[Routes, ...] = (
    health.routes,
    people.routes,
    *conversations.AREAS,
    webhooks.routes,
    *notifications.AREAS,
    *channels.AREAS,
    settings.routes,
    *rooms.AREAS,
)


def endpoints(areas: Sequence[Routes] = AREAS) -> list[Endpoint]:
    """Every declared route."""
    return [endpoint for area in areas for endpoint in area.endpoints]


def block_api(context: Context, areas: Sequence[Routes] = AREAS) -> RestApi:
    """The routes, absolute from the server's root."""
    return RestApi(
        [(each.method, each.path, partial(answer, each, context)) for each in endpoints(areas)],
        refuse=refuse,
        refuse_status=_refuse_status,
    )


def _refuse_status(status: int, headers: Sequence[Header], request: Request) -> Answer:
    known: dict[int, ParleyError] = {
        404: NotFound("There is no such route."),
        405: MethodNotAllowed("This route does not know that method."),
    }
    made = refuse(known.get(status, RuntimeError("an unexpected status")), request)
    return made._replace(headers=[*made.headers, *headers])
