"""Channel authorizations (the vectors of 13.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.base.ids import CredentialId
from parley.channels.realtime.signatures import BadSignature, canonical, check, sign

KEY = b"sk_test_EXAMPLE0123456789"
SIGNER = CredentialId("signer")
DATA = {
    "user_info": {"name": "Alice", "avatar": "https://example.com/alice.jpg"},
    "user_id": "user_123",
}
PRIVATE = "372a9ea5bc674475174849e8b6a3d7df4944861d4550cb556c697286b5124315"
PRESENCE = "76e9a8450e506cdb155ac8cd7dc9e267bcbec17283c94bbc9be5f2e2697c49bf"


def checked(auth: str, data: Any = None, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "app_ids": ("app_1", "internal"),
        "keys": {CredentialId("another"): b"another", SIGNER: KEY},
        "socket_id": "socket_abc123",
        "channel": "private:team-123",
        "user_id": "user_123",
    }
    found, signed_by = check(auth, data, **(values | changes))
    assert signed_by == SIGNER
    return found


def test_the_published_vectors() -> None:
    assert sign(KEY, "socket_abc123", "private:team-123") == PRIVATE
    assert sign(KEY, "socket_abc123", "presence:room-1", canonical(DATA)) == PRESENCE
    pusher = "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
    assert sign(b"7ad3773142a6692b25b8", "1234.1234", "private-foobar") == pusher


def test_canonical_json_sorts_members_at_every_level() -> None:
    assert canonical({"b": [{"d": 1, "c": "é"}], "a": None}) == '{"a":null,"b":[{"c":"é","d":1}]}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((1.0, "1"), (-0.0, "0"), (0.1, "0.1"), (-1.5, "-1.5"), (100.0, "100"), (123.456, "123.456")),
        *((1e20, "100000000000000000000"), (1e21, "1e+21"), (1.25e30, "1.25e+30")),
        *((1e-6, "0.000001"), (1e-7, "1e-7"), (-1.5e-9, "-1.5e-9"), (5e-324, "5e-324")),
        *((9007199254740992, "9007199254740992"), (12345678901234567890, "12345678901234567000")),
        *((True, "true"), (7, "7"), ('\u2028\x1f\x7f"', '"\u2028\\u001f\x7f\\""')),
        ({"\U0001f600": 1, "\uffff": 2, "10": 3, "9": 4}, '{"10":3,"9":4,"\U0001f600":1,"\uffff":2}'),
    ],
)
def test_canonical_json_is_what_javascript_writes(value: Any, text: str) -> None:
    assert canonical({"v": value}) == f'{{"v":{text}}}'


@pytest.mark.parametrize("value", [10**400, [[]] * 3])
def test_data_without_a_canonical_form_is_refused(value: Any) -> None:
    deep: Any = value
    for _ in range(0 if isinstance(value, int) else 5_000):
        deep = [deep]
    with pytest.raises(BadSignature):
        checked(f"app_1:{PRIVATE}", {"v": deep})


def test_any_active_key_and_either_name_of_the_app_is_accepted() -> None:
    assert checked(f"app_1:{PRIVATE}") == {}
    assert checked(f"internal:{PRIVATE}") == {}


@pytest.mark.parametrize("data", [DATA, canonical(DATA)])
def test_data_is_an_object_or_exactly_the_text_that_was_signed(data: Any) -> None:
    assert checked(f"app_1:{PRESENCE}", data, channel="presence:room-1") == DATA


def test_a_text_is_signed_as_it_is() -> None:
    text = '{ "user_id" : "user_123" }'
    signature = sign(KEY, "socket_abc123", "presence:room-1", text)
    assert checked(f"app_1:{signature}", text, channel="presence:room-1") == {"user_id": "user_123"}
    with pytest.raises(BadSignature):
        checked(f"app_1:{signature}", {"user_id": "user_123"}, channel="presence:room-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"socket_id": "socket_other"},
        {"channel": "private:team-124"},
        {"keys": {SIGNER: b"another"}},
        {"keys": {}},
    ],
)
def test_it_is_of_no_use_anywhere_else(changes: dict[str, Any]) -> None:
    with pytest.raises(BadSignature):
        checked(f"app_1:{PRIVATE}", **changes)


@pytest.mark.parametrize(
    "auth",
    [
        "",
        ":",
        PRIVATE,
        f"app_2:{PRIVATE}",
        f"app_1:{PRIVATE.upper()}",
        f"app_1:{PRIVATE} ",
        f"app_1:{PRIVATE[:-1]}",
        "app_1:é",
        "app_1:\ud800",
        "app_1:",
        f"app_1:x:{PRIVATE}",
    ],
)
def test_anything_else_is_refused(auth: str) -> None:
    with pytest.raises(BadSignature):
        checked(auth)


@pytest.mark.parametrize("text", ["", "x", "[]", "7", "null", "[" * 100_000, '{"user_id":"somebody else"}'])
def test_signed_data_must_be_an_object_about_the_user(text: str) -> None:
    signature = sign(KEY, "socket_abc123", "private:team-123", text)
    with pytest.raises(BadSignature):
        checked(f"app_1:{signature}", text)


@given(st.text(), st.one_of(st.none(), st.text(), st.dictionaries(st.text(), st.text())))
def test_nobody_guesses_one(auth: str, data: Any) -> None:
    with pytest.raises(BadSignature):
        checked(auth, data)
    with pytest.raises(BadSignature):
        checked(f"app_1:{auth}", data)
