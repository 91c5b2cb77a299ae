"""Shared stores. `plugin_id` is the meeting's id in every request of a 2.x client."""

from __future__ import annotations

from google.protobuf.message import Message

from parley.meetings.live.notices import ValuesChanged
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client import shapes
from parley.wire.realtimekit.client.events import Store
from parley.wire.realtimekit.client.limits import SHARED
from parley.wire.realtimekit.client.verbs.verb import Call, Nothing, verb


@verb(Store.ENABLED_PLUGINS, Nothing)
async def enabled_plugins(_: Call, __: Message) -> Message:
    """1.x clients ask for plugins this way; Parley offers none of that kind."""
    return pb.PluginEnablePluginsResponse()


@verb(Store.GET, pb.PluginPluginStoreGetKeysRequest)
async def get(call: Call, request: pb.PluginPluginStoreGetKeysRequest) -> Message:
    """Entries of a store; asked once before joining, when there is nothing to see yet."""
    keys = [key.store_key for key in request.get_keys]
    items = call.live.values.read(request.store_name, keys) if call.peer.is_joined else []
    return shapes.values(ValuesChanged(request.store_name, items, is_deletion=False), request.plugin_id)


@verb(Store.INSERT, pb.PluginPluginStoreInsertKeysRequest, rate=SHARED)
async def insert(call: Call, request: pb.PluginPluginStoreInsertKeysRequest) -> Message:
    """Write entries."""
    entries = [(key.store_key, key.payload) for key in request.insert_keys]
    written = await call.live.values.write(call.peer, request.store_name, entries)
    return shapes.values(written, request.plugin_id)


@verb(Store.DELETE, pb.PluginPluginStoreDeleteKeysRequest, rate=SHARED)
async def delete(call: Call, request: pb.PluginPluginStoreDeleteKeysRequest) -> Message:
    """Delete entries."""
    keys = [key.store_key for key in request.delete_keys]
    gone = await call.live.values.delete(call.peer, request.store_name, keys)
    return shapes.values(gone, request.plugin_id)
