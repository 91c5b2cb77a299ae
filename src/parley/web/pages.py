"""Routes of the pages: `/`, `/meet`, `/chat`, `/rooms/{id}`, `/watch/{id}`, `/notices`, files, demo."""

from pathlib import Path

from litestar import MediaType, Response, Router, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from parley.base.errors import ParleyError
from parley.web.chat import ChatAnswer, admit, read_visit
from parley.web.context import WebContext
from parley.web.files import DIST, read_dist
from parley.web.headers import PRIVATE, page_headers
from parley.web.responses import AnyRequest, error_response, file_response, not_built, page_response, render
from parley.web.rooms import RoomAnswer, read_room_request, visit
from parley.web.start import StartAnswer, read_request, refuse_other_sites, start_meeting

PAGES = {
    "/": "index.html",
    "/meet": "meet.html",
    "/meet/help": "meet.html",
    "/chat": "chat.html",
    "/notices": "notices.html",
}
"""Address of each page and the built file behind it."""

ROOM = "/rooms/{room_id:str}"
"""Address of a WebRTC room, as `join_url` gives it."""
ROOM_FILE = "room.html"

WATCH = "/watch/{stream_id:str}"
"""Address of a live stream for its viewers."""
WATCH_FILE = "watch.html"

FILES = (
    "/favicon.svg",
    "/assets/{path:path}",  # scripts, styles, fonts; their names change with their content
    "/meet/shim.js",  # maps the SDK's host names to one origin; other sites may load it
    "/meet/kit/{path:path}",  # what the UI kit asks for by fixed names: sounds, emoji list, pictures
)
"""Addresses of built files: the same as their paths in the build."""

_BODY_MAX = 4096  # bytes


def web_router(app: WebContext, dist: Path = DIST) -> Router:
    """All pages and their files, to be mounted at the root.

    The build is read now; a build made while the server runs shows after a restart. Without a build the pages
    answer 503 with a sentence that says what to do.
    """
    files = read_dist(dist)
    headers = page_headers(app)
    pages = {path: render(files[name], app) for path, name in PAGES.items() if name in files}
    room_page = render(files[ROOM_FILE], app) if ROOM_FILE in files else None
    watch_page = render(files[WATCH_FILE], app) if WATCH_FILE in files else None

    @get(list(PAGES), media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
    def page(request: AnyRequest) -> Response[bytes] | Response[str]:
        """A page."""
        found = pages.get(request.url.path.rstrip("/") or "/")
        return page_response(request, found, headers) if found else not_built()

    @get(ROOM, media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
    def room(request: AnyRequest) -> Response[bytes] | Response[str]:
        """The page of a room, which finds out by itself whether there is one."""
        return page_response(request, room_page, headers) if room_page else not_built()

    @get(WATCH, media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
    def watch(request: AnyRequest) -> Response[bytes] | Response[str]:
        """The page that plays a live stream, and waits for one that is not on."""
        return page_response(request, watch_page, headers) if watch_page else not_built()

    @get(list(FILES), include_in_schema=False, sync_to_thread=False)
    def file(request: AnyRequest) -> Response[bytes] | Response[str]:
        """A built file."""
        if not files:
            return not_built()
        found = files.get(request.scope["path"].lstrip("/"))
        if found is None:
            raise NotFoundException(detail="No such file.")
        return file_response(request, found)

    @post("/start/meetings", include_in_schema=False, request_max_body_size=_BODY_MAX, status_code=201)
    async def start(request: AnyRequest) -> Response[StartAnswer]:
        """Create a demo meeting."""
        refuse_other_sites(request, app.public_url)
        answer = await start_meeting(app, read_request(await request.body()))
        return Response(answer, status_code=201, headers={"Cache-Control": PRIVATE})

    @post("/start/chat", include_in_schema=False, request_max_body_size=_BODY_MAX, status_code=201)
    async def chat(request: AnyRequest) -> Response[ChatAnswer]:
        """Let somebody into the demo chat."""
        refuse_other_sites(request, app.public_url)
        answer = await admit(app, read_visit(await request.body()))
        return Response(answer, status_code=201, headers={"Cache-Control": PRIVATE})

    @post(f"{ROOM}/visit", include_in_schema=False, request_max_body_size=_BODY_MAX, status_code=200)
    async def visit_room(request: AnyRequest, room_id: FromPath[str]) -> Response[RoomAnswer]:
        """Say what a room is, and let somebody in who may be in it; what they show is in the body alone."""
        answer = await visit(app, room_id, read_room_request(await request.body()))
        return Response(answer, status_code=200, headers={"Cache-Control": PRIVATE})

    return Router(
        path="/",
        route_handlers=[page, room, watch, file, start, chat, visit_room],
        exception_handlers={ParleyError: error_response},
    )
