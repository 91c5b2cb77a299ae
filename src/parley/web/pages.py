"""Routes of the pages: `/`, `/meet`, `/notices`, their files, and `POST /start/meetings`."""

from pathlib import Path

from litestar import MediaType, Response, Router, get, post
from litestar.exceptions import NotFoundException

from parley.base.errors import ParleyError
from parley.web.context import WebContext
from parley.web.files import DIST, BuiltFile, read_dist
from parley.web.headers import PRIVATE, page_headers
from parley.web.responses import AnyRequest, error_response, file_response, not_built, page_response, render
from parley.web.start import StartAnswer, StartRequest, refuse_other_sites, start_meeting

PAGES = {"/": "index.html", "/meet": "meet.html", "/meet/help": "meet.html", "/notices": "notices.html"}
"""Address of each page and the built file behind it."""

_BODY_MAX = 4096  # bytes


def web_router(app: WebContext, dist: Path = DIST) -> Router:
    """All pages and their files, to be mounted at the root.

    The build is read now; `make web` while the server runs shows after a restart. Without a build the pages
    answer 503 with a sentence that says what to do.
    """
    files = read_dist(dist)
    headers = page_headers(app)
    pages = {path: render(files[name], app) for path, name in PAGES.items() if name in files}

    @get(list(PAGES), media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
    def page(request: AnyRequest) -> Response[bytes] | Response[str]:
        """A page."""
        found = pages.get(request.url.path.rstrip("/") or "/")
        return page_response(request, found, headers) if found else not_built()

    def built(request: AnyRequest, path: str) -> Response[bytes] | Response[str]:
        if not files:
            return not_built()
        file: BuiltFile | None = files.get(path)
        if file is None:
            raise NotFoundException(detail="No such file.")
        return file_response(request, file)

    @get("/favicon.svg", include_in_schema=False, sync_to_thread=False)
    def favicon(request: AnyRequest) -> Response[bytes] | Response[str]:
        """The site's icon."""
        return built(request, "favicon.svg")

    @get("/assets/{path:path}", include_in_schema=False, sync_to_thread=False)
    def assets(request: AnyRequest, path: str) -> Response[bytes] | Response[str]:
        """Scripts, styles and fonts; their names change with their content."""
        return built(request, f"assets{path}")

    @get("/meet/shim.js", include_in_schema=False, sync_to_thread=False)
    def shim(request: AnyRequest) -> Response[bytes] | Response[str]:
        """Maps the SDK's host names to one origin; other sites may load it."""
        return built(request, "meet/shim.js")

    @get("/meet/kit/{path:path}", include_in_schema=False, sync_to_thread=False)
    def kit(request: AnyRequest, path: str) -> Response[bytes] | Response[str]:
        """Files the UI kit asks for by fixed names: sounds, emoji list, pictures."""
        return built(request, f"meet/kit{path}")

    @post("/start/meetings", include_in_schema=False, request_max_body_size=_BODY_MAX, status_code=201)
    async def start(request: AnyRequest, data: StartRequest) -> Response[StartAnswer]:
        """Create a demo meeting."""
        refuse_other_sites(request, app.public_url)
        return Response(await start_meeting(app, data), status_code=201, headers={"Cache-Control": PRIVATE})

    return Router(
        path="/",
        route_handlers=[page, favicon, assets, shim, kit, start],
        exception_handlers={ParleyError: error_response},
    )
