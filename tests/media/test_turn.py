from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from parley.base.errors import Invalid
from parley.media.turn import IceOptions, IceServer, ice_servers, turn_credential

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RELAY = "turn:relay.example.org:3478?transport=udp"


def test_no_servers_are_told_of_when_none_are_configured():
    assert ice_servers(IceOptions(), "par_1", NOW) == []


def test_stun_servers_need_no_credential():
    options = IceOptions(urls=("stun:stun.example.org",))

    assert ice_servers(options, "par_1", NOW) == [IceServer(["stun:stun.example.org"])]


def test_credential_starts_with_its_expiry_and_names_the_user():
    options = IceOptions(urls=(RELAY,), secret="s", lifetime=timedelta(hours=1))

    (server,) = ice_servers(options, "par_1", NOW)

    assert server.username == f"{int(NOW.timestamp()) + 3600}:par_1"


def test_password_is_the_mac_of_the_user_name():
    username, password = turn_credential("north", "par_1", NOW)

    expected = hmac.digest(b"north", username.encode(), hashlib.sha1)
    assert base64.b64decode(password) == expected


def test_stun_and_turn_are_separate_entries():
    options = IceOptions(
        urls=(RELAY, "stun:a.example.org", "turns:b.example.org:443?transport=tcp"), secret="s"
    )

    servers = ice_servers(options, "par_1", NOW)

    assert [list(server.urls) for server in servers] == [
        ["stun:a.example.org"],
        [RELAY, "turns:b.example.org:443?transport=tcp"],
    ]


@pytest.mark.parametrize("user", ["", "a:b", "a b", "x" * 129, "ä"])
def test_name_that_could_change_the_credential_is_refused(user):
    with pytest.raises(Invalid):
        turn_credential("s", user, NOW)


@pytest.mark.parametrize(
    "url", ["", "http://x", "turn:", "turn:host?transport=sctp", "stun:a b", "turn:a\r\nb"]
)
def test_what_is_not_an_ice_url_is_refused(url):
    with pytest.raises(Invalid) as refused:
        IceOptions(urls=(url,), secret="s")

    assert refused.value.field == "urls"


def test_turn_without_a_secret_is_refused():
    with pytest.raises(Invalid) as refused:
        IceOptions(urls=(RELAY,))

    assert refused.value.field == "secret"


def test_secrets_do_not_show_in_logs():
    options = IceOptions(urls=(RELAY,), secret="very-secret")
    (server,) = ice_servers(options, "par_1", NOW)

    assert "very-secret" not in repr(options)
    assert server.credential is not None
    assert server.credential not in repr(server)
