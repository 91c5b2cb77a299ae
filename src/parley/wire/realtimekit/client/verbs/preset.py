"""Reading and changing permissions of participants."""

from __future__ import annotations

import msgspec
from google.protobuf.message import Message

from parley.base.ids import ParticipantId
from parley.meetings.live.peer import merge
from parley.wire.realtimekit.client import permissions
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Preset
from parley.wire.realtimekit.client.limits import PERMISSIONS
from parley.wire.realtimekit.client.notices import permissions_message
from parley.wire.realtimekit.client.verbs.verb import Call, verb


@verb(Preset.READ, pb.PresetReadPeersPresetRequest)
async def read(call: Call, request: pb.PresetReadPeersPresetRequest) -> Message:
    """The presets of participants, with the changes of this session."""
    own = set(request.user_ids) <= {call.peer.participant.id}
    allowed = own or call.peer.permissions.can_change_participant_permissions
    call.peer.require(allowed, "see the permissions of others")
    return pb.PresetReadPeersPresetResponse(
        peer_presets=[
            pb.PresetPeerPreset(
                user_id=peer.participant.id,
                peer_id=peer.id,
                preset=msgspec.json.encode(
                    {
                        "id": peer.preset.id,
                        "name": peer.preset.name,
                        "config": peer.preset.config,
                        "permissions": peer.permissions,
                        "ui": peer.preset.ui,
                    }
                ),
            )
            for peer in call.live.peers_of(request.user_ids)
        ]
    )


@verb(Preset.UPDATE, pb.PresetUpdatePeersPresetRequest, rate=PERMISSIONS)
async def update(call: Call, request: pb.PresetUpdatePeersPresetRequest) -> Message:
    """Change permissions for the rest of the session."""
    changes: dict[ParticipantId, dict[str, object]] = {}
    for entry in request.update_peers_presets:
        user = ParticipantId(entry.user_ids)
        changes[user] = merge(changes.get(user, {}), permissions.patch_from(entry.patch))
    return permissions_message(await call.live.controls.change_permissions(call.peer, changes))
