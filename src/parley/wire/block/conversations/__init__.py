"""The conversations REST (`realtime-block.md` 16 to 18), one file for each area."""

from __future__ import annotations

from parley.wire.block.conversations import (
    actions,
    contexts,
    drafts,
    files,
    groups,
    invites,
    lists,
    messages,
    summaries,
    tasks,
    threads,
)

AREAS = (
    messages.routes,
    actions.routes,
    drafts.routes,
    groups.routes,
    invites.routes,
    threads.routes,
    contexts.routes,
    lists.routes,
    summaries.routes,
    tasks.routes,
    files.routes,
)
