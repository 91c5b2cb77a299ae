"""Pages and files: what is answered, under which headers."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from parley.web.context import WebContext
from parley.web.pages import PAGES, web_router
from tests.web.conftest import PUBLIC_URL, Client, OpenSite


def policy(client: Client, path: str = "/meet") -> dict[str, list[str]]:
    header = client.get(path).headers["content-security-policy"]
    return {words[0]: words[1:] for words in (part.split() for part in header.split("; "))}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_html(site: Client, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_security_headers(site: Client, path: str) -> None:
    headers = site.get(path).headers
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=(self), microphone=(self), display-capture=(self)" in headers["permissions-policy"]


def test_policy_names_no_host_but_our_own(site: Client) -> None:
    hosts = {word for words in policy(site).values() for word in words if "." in word}
    assert hosts == {"wss://meet.example.org"}


def test_policy_allows_scripts_from_files_only(site: Client) -> None:
    assert policy(site)["script-src"] == ["'self'"]


def test_policy_names_the_origins_of_the_operator(open_site: OpenSite) -> None:
    store = "https://files.example.org"
    site = open_site(
        WebContext(PUBLIC_URL, "1", resource_origins=(store,), frame_ancestors=("https://app.example.org",))
    )
    allowed = policy(site)
    assert store in allowed["img-src"]
    assert store in allowed["media-src"]
    assert store in allowed["connect-src"]
    assert allowed["frame-ancestors"] == ["'self'", "https://app.example.org"]


def test_plain_http_site_may_open_plain_sockets(open_site: OpenSite) -> None:
    site = open_site(WebContext("http://localhost:8080", "1"))
    assert "ws://localhost:8080" in policy(site)["connect-src"]


def test_page_carries_the_facts_of_the_server(open_site: OpenSite) -> None:
    site = open_site(WebContext(PUBLIC_URL, '1"><script>', None, api_reference="/schema"))
    found = re.search(r'<meta name="parley" content="([^"]*)" />', site.get("/").text)
    assert found is not None
    assert json.loads(html.unescape(found[1])) == {
        "version": '1"><script>',
        "public_url": PUBLIC_URL,
        "demo": False,
        "api_reference": "/schema",
    }


def test_unchanged_page_is_not_sent_again(site: Client) -> None:
    etag = site.get("/").headers["etag"]
    again = site.get("/", headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert again.content == b""


def test_changed_policy_is_sent_with_an_unchanged_page(site: Client, open_site: OpenSite) -> None:
    etag = site.get("/notices").headers["etag"]
    stricter = open_site(WebContext(PUBLIC_URL, "1.2.3", frame_ancestors=("https://app.example.org",)))
    assert stricter.get("/notices", headers={"If-None-Match": etag}).status_code == 200


def test_hashed_files_are_kept_for_ever(site: Client) -> None:
    headers = site.get("/assets/font-0a1b.woff2").headers
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"] == "font/woff2"


def test_files_under_fixed_names_are_asked_for_again(site: Client) -> None:
    answer = site.get("/meet/kit/join.wav")
    assert answer.headers["cache-control"] == "no-cache"
    again = site.get("/meet/kit/join.wav", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_compressed_file_is_sent_to_browsers_that_take_it(site: Client) -> None:
    packed = site.get("/assets/start-0a1b.js", headers={"Accept-Encoding": "gzip, br"})
    plain = site.get("/assets/start-0a1b.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content  # the client has unpacked it
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


def test_shim_may_be_loaded_by_other_sites(site: Client) -> None:
    headers = site.get("/meet/shim.js").headers
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "path",
    ["/assets/none.js", "/assets/start-0a1b.js.gz", "/assets/../index.html", "/meet/kit/%2e%2e/shim.js"],
)
def test_only_built_files_are_served(site: Client, path: str) -> None:
    assert site.get(path).status_code == 404


@pytest.mark.parametrize("path", [*PAGES, "/meet/shim.js", "/favicon.svg"])
def test_missing_build_is_said_in_plain_words(tmp_path: Path, path: str) -> None:
    app = Litestar([web_router(WebContext(PUBLIC_URL, "1"), tmp_path / "none")], openapi_config=None)
    with TestClient(app) as client:
        answer = client.get(path)
    assert answer.status_code == 503
    assert "`make setup`" in answer.text
