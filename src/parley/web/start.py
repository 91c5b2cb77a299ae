"""`POST /start/meetings`: a demo meeting and its join links, for the start page."""

import io
from typing import Literal
from urllib.parse import urlsplit

import msgspec
import segno

from parley.base.errors import Invalid, NotAllowed
from parley.web.context import DemoMeeting, WebContext
from parley.web.responses import AnyRequest

Kind = Literal["group_call", "webinar"]

_DEFAULT_TITLE = {"group_call": "Demo meeting", "webinar": "Demo webinar"}
_TITLE_MAX = 120  # characters


class StartRequest(msgspec.Struct):
    """Body of the request."""

    kind: Kind = "group_call"
    title: str = ""


class Meeting(msgspec.Struct):
    """The meeting that was made."""

    id: str
    title: str


class Link(msgspec.Struct):
    """One join link."""

    role: str
    preset: str
    url: str
    qr_svg: str


class StartAnswer(msgspec.Struct):
    """Body of the answer."""

    meeting: Meeting
    links: list[Link]


def join_url(public_url: str, token: str) -> str:
    """Address that opens the meeting page; the token is in the fragment, which no server is sent."""
    return f"{public_url.rstrip('/')}/meet#token={token}"


def qr_svg(text: str) -> str:
    """QR code as one `<svg>` element that scales to its box."""
    out = io.BytesIO()
    segno.make_qr(text, error="l").save(
        out, kind="svg", border=2, xmldecl=False, nl=False, omitsize=True, dark="#000", light=None
    )
    return out.getvalue().decode()


def refuse_other_sites(request: AnyRequest, public_url: str) -> None:
    """Refuse a request that a page of another site has made a browser send.

    Raises:
        NotAllowed: the Origin header names neither this host nor the public address.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return  # not a browser
    if urlsplit(origin).netloc not in {request.headers.get("host", ""), urlsplit(public_url).netloc}:
        raise NotAllowed("Demo meetings are started from the start page of this server.")


def read_request(body: bytes) -> StartRequest:
    """Decode the body.

    Raises:
        Invalid: it is no JSON object of that shape.
    """
    try:
        return msgspec.json.decode(body, type=StartRequest)
    except (msgspec.DecodeError, RecursionError) as error:  # the latter: nested beyond reason
        raise Invalid(f"The request is not valid: {error}.") from error


async def start_meeting(context: WebContext, wanted: StartRequest) -> StartAnswer:
    """Make the meeting and its links.

    Raises:
        NotAllowed: the demo is switched off.
        Invalid: the title is too long.
    """
    if context.create_demo_meeting is None:
        raise NotAllowed("Demo meetings are switched off on this server.")
    title = wanted.title.strip() or _DEFAULT_TITLE[wanted.kind]
    if len(title) > _TITLE_MAX:
        raise Invalid(f"The title may have {_TITLE_MAX} characters.", field="title")
    made: DemoMeeting = await context.create_demo_meeting(title, wanted.kind)
    urls = [(link, join_url(context.public_url, link.token)) for link in made.links]
    return StartAnswer(
        meeting=Meeting(id=made.id, title=made.title),
        links=[Link(role=link.role, preset=link.preset, url=url, qr_svg=qr_svg(url)) for link, url in urls],
    )
