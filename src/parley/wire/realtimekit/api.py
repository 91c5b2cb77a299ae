"""The RealtimeKit REST API as one ASGI application (`realtimekit.md`).

    endpoint.py   how a route is declared, and the checks before it
    reading.py    bodies and queries into values; error texts
    answers.py    envelopes of success, errors.py those of failure
    apps.py …     one module per area: its shapes and routes

The routes are at `/accounts/{account_id}/realtime/kit/…`; `prefix.StripPrefix` adds `/client/v4`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from parley.wire.asgi import RestApi
from parley.wire.realtimekit import (
    active_session,
    analytics,
    apps,
    livestream_use,
    livestreams,
    meetings,
    participants,
    presets,
    quality,
    recordings,
    sessions,
    webhooks,
)
from parley.wire.realtimekit.endpoint import KIT, Endpoint, RealtimeKitContext, Routes, answer
from parley.wire.realtimekit.errors import refuse, refuse_status

API_PREFIX = KIT.partition("{")[0]
"""The beginning of the paths that belong to this API, known or not."""

AREAS: tuple[Routes, ...] = (
    apps.routes,
    meetings.routes,
    participants.routes,
    presets.routes,
    active_session.routes,
    sessions.routes,
    quality.routes,
    recordings.routes,
    analytics.routes,
    livestreams.routes,
    livestream_use.routes,
    webhooks.routes,
)


def endpoints(areas: Sequence[Routes] = AREAS) -> list[Endpoint]:
    """Every declared route."""
    return [endpoint for area in areas for endpoint in area.endpoints]


def realtimekit_api(context: RealtimeKitContext, areas: Sequence[Routes] = AREAS) -> RestApi:
    """The routes, for paths that begin with `API_PREFIX`."""
    return RestApi(
        [(each.method, KIT + each.path, partial(answer, each, context)) for each in endpoints(areas)],
        refuse=refuse,
        refuse_status=lambda status, headers, _: refuse_status(status, headers),
    )
