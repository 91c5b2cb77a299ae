"""`POST /start/meetings`."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import pytest

from parley.base.errors import TooMany
from parley.web.context import DemoMeeting, WebContext
from tests.web.conftest import PUBLIC_URL, Client, OpenSite


def test_demo_meeting_has_a_link_for_each_role(site: Client) -> None:
    answer = site.post("/start/meetings", json={"kind": "webinar", "title": " Launch "})
    assert answer.status_code == 201
    assert answer.json()["meeting"] == {"id": "6f0c", "title": "Launch"}
    assert [(link["role"], link["preset"]) for link in answer.json()["links"]] == [
        ("Host", "webinar_host"),
        ("Viewer", "webinar_guest"),
    ]


def test_link_keeps_the_token_out_of_the_request(site: Client) -> None:
    [host, _] = site.post("/start/meetings", json={}).json()["links"]
    assert host["url"] == f"{PUBLIC_URL}/meet#token=eyJ.host.sig"


def test_qr_code_is_one_svg_element(site: Client) -> None:
    [host, guest] = site.post("/start/meetings", json={}).json()["links"]
    assert Xml.fromstring(host["qr_svg"]).tag == "{http://www.w3.org/2000/svg}svg"
    assert host["qr_svg"] != guest["qr_svg"]


def test_links_are_not_cached(site: Client) -> None:
    assert site.post("/start/meetings", json={}).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", ["group_call", "webinar"])
def test_meeting_without_title_gets_one(site: Client, kind: str) -> None:
    assert site.post("/start/meetings", json={"kind": kind}).json()["meeting"]["title"].startswith("Demo ")


@pytest.mark.parametrize("body", [{"kind": "party"}, {"title": "x" * 121}, {"title": 7}])
def test_wrong_request_is_refused(site: Client, body: dict[str, object]) -> None:
    answer = site.post("/start/meetings", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


def test_request_of_another_site_is_refused(site: Client) -> None:
    answer = site.post("/start/meetings", json={}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_start_page_may_be_open_under_another_name_of_the_server(site: Client) -> None:
    answer = site.post("/start/meetings", json={}, headers={"Origin": "http://10.0.0.7", "Host": "10.0.0.7"})
    assert answer.status_code == 201


def test_demo_that_is_switched_off_says_so(open_site: OpenSite) -> None:
    answer = open_site(WebContext(PUBLIC_URL, "1")).post("/start/meetings", json={})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "not_allowed"


def test_rate_limit_tells_when_to_come_back(open_site: OpenSite) -> None:
    async def refuse(title: str, kind: str) -> DemoMeeting:
        raise TooMany("Slow down.", retry_after_s=42)

    answer = open_site(WebContext(PUBLIC_URL, "1", refuse)).post("/start/meetings", json={})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "42"
    assert answer.json() == {"error": {"code": "too_many_requests", "message": "Slow down."}}
