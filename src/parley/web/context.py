"""What the pages need of the server that mounts them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DemoLink:
    """One way to join a demo meeting."""

    role: str
    """Word for people: "Host", "Participant", "Viewer"."""
    preset: str
    """Preset of the participant, for example "group_call_host"."""
    token: str
    """Participant token (rtk-client-protocol section 3)."""


@dataclass(frozen=True, slots=True)
class DemoMeeting:
    """A meeting made for somebody who tries Parley from the start page."""

    id: str
    title: str
    links: tuple[DemoLink, ...]


CreateDemoMeeting = Callable[[str, str], Awaitable[DemoMeeting]]
"""`(title, kind)` to meeting, kind being "group_call" or "webinar". May raise any `ParleyError`."""


@dataclass(frozen=True, slots=True)
class ChatVisitor:
    """Somebody who tries the demo chat, and what they talk to the server with."""

    user_id: str
    name: str
    api_key: str
    """Publishable key of the demo's app."""
    user_token: str
    """Says who acts over REST; shown again, it lets them stay who they are."""
    connection_token: str
    """Opens the socket, and the channels of one space."""


AdmitToDemoChat = Callable[[str, str | None, str | None], Awaitable[ChatVisitor]]
"""`(name, space, earlier user token)` to visitor; without a space no channels are opened. May raise any
`ParleyError`."""


@dataclass(frozen=True, slots=True)
class RoomVisit:
    """What somebody sees who stands before a room, and what lets them in."""

    room_name: str
    people: int
    """Who is in it now."""
    has_audio: bool
    has_video: bool
    is_recorded: bool
    """By this server, while somebody sends."""
    user_name: str | None
    """As the app knows them; None: they may choose."""
    connection_token: str | None
    """Opens the socket for this room alone; None until they have a name."""


VisitRoom = Callable[[str, str | None, str | None, str | None], Awaitable[RoomVisit]]
"""`(room id, room token, earlier connection token, name)` to visit. May raise any `ParleyError`, those of
`parley.web.rooms` among them."""


@dataclass(frozen=True, slots=True)
class WebContext:
    """Facts and functions the pages depend on."""

    public_url: str
    """Address users type, without trailing slash: "https://meet.example.org" or "http://localhost:8080"."""
    version: str
    create_demo_meeting: CreateDemoMeeting | None = None
    """`None` switches the start page's demo off."""
    api_reference: str = "/docs/api"
    """Path of the API reference the start page links to."""
    resource_origins: tuple[str, ...] = field(default=())
    """Further origins pages may load pictures, files and streams from, such as an object store."""
    frame_ancestors: tuple[str, ...] = field(default=())
    """Origins that may show the meeting page in a frame; none besides our own by default."""
    admit_to_demo_chat: AdmitToDemoChat | None = None
    """`None` switches the chat page's demo off."""
    visit_room: VisitRoom | None = None
    """`None` where there are no rooms."""
