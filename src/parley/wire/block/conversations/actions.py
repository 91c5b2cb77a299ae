"""Message actions (`realtime-block.md` 18.2)."""

from __future__ import annotations

from parley.conversations import views
from parley.conversations.actions.service import Actions
from parley.conversations.messages.model import ActionChange
from parley.wire.block.callers import caller_of
from parley.wire.block.conversations.resources import action_resource
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import small
from parley.wire.block.reading import ListQuery
from parley.wire.block.replies import NOTHING, Reply, one, paged

routes = Routes("Message actions")
READ, WRITE = "conversations:read", "conversations:write"
PAGE_SIZE = 50
_OF_MESSAGE = "/conversations/{context}/messages/{message_id}/actions"


@routes.get(_OF_MESSAGE, scope=READ)
async def list_actions(call: Call, context: str, message_id: str, query: ListQuery) -> Reply:
    """List the actions of a message."""
    page = await call.service(Actions).page(
        call.scope,
        caller_of(call),
        context,
        message_id,
        query.wanted(PAGE_SIZE),
        query.order(),
    )
    return paged(page, action_resource)


@routes.get(_OF_MESSAGE + "/{action_id}", scope=READ)
async def get_action(call: Call, context: str, message_id: str, action_id: str) -> Reply:
    """Get an action."""
    found = await call.service(Actions).get(call.scope, caller_of(call), context, message_id, action_id)
    return one("MessageAction", found.id, views.action(found))


@routes.put(_OF_MESSAGE + "/{action_id}", scope=WRITE, body="message_action")
async def update_action(
    call: Call, context: str, message_id: str, action_id: str, body: ActionChange
) -> Reply:
    """Answer an action, or change it."""
    small(body.payload)
    changed = await call.service(Actions).change(
        call.scope, caller_of(call), context, message_id, action_id, body
    )
    return one("MessageAction", changed.id, views.action(changed))


@routes.delete(_OF_MESSAGE + "/{action_id}", scope=WRITE)
async def delete_action(call: Call, context: str, message_id: str, action_id: str) -> Reply:
    """Take an action away."""
    await call.service(Actions).delete(call.scope, caller_of(call), context, message_id, action_id)
    return NOTHING
