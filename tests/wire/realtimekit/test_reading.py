from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.base.errors import Invalid
from parley.wire.realtimekit import reading
from parley.wire.realtimekit.active_session import PollBody
from parley.wire.realtimekit.meetings import MeetingBody, MeetingQuery
from parley.wire.realtimekit.participants import ParticipantBody
from parley.wire.realtimekit.presets import PresetBody
from parley.wire.realtimekit.reading import PageQuery, instant, read_body, read_query, time_range
from parley.wire.realtimekit.sessions import PeerQuery


@pytest.mark.parametrize(
    ("shape", "body", "message"),
    [
        (PresetBody, b"{}", '"name" is required'),
        (PresetBody, b'{"name": ""}', '"name" is not allowed to be empty'),
        (PresetBody, b'{"name": "x", "config": {}}', '"config.view_type" is required'),
        (
            PresetBody,
            b'{"name": "x", "config": {"view_type": "PARTY"}}',
            '"config.view_type" must be one of [AUDIO_ROOM, GROUP_CALL, LIVESTREAM, WEBINAR]',
        ),
        (
            PresetBody,
            b'{"name": "x", "config": {"media": {"video": {"quality": "hd", "frame_rate": 31}}}}',
            '"config.media.video.frame_rate" must be less than or equal to 30',
        ),
        (PresetBody, b'{"name": "x", "config": 5}', '"config" must be of type object'),
        (PresetBody, b'{"ui": {"design_tokens": {"theme": 1}}}', '"ui.design_tokens.theme" must be a string'),
        (MeetingBody, b'{"title": 5}', '"title" must be a string'),
        (MeetingBody, b'{"persist_chat": "yes"}', '"persist_chat" must be a boolean'),
        (MeetingBody, b'{"persist_chat": null}', '"persist_chat" must be a boolean'),
        (
            MeetingBody,
            b'{"session_keep_alive_time_in_secs": 59}',
            '"session_keep_alive_time_in_secs" must be greater than or equal to 60',
        ),
        (
            MeetingBody,
            b'{"session_keep_alive_time_in_secs": 60.5}',
            '"session_keep_alive_time_in_secs" must be an integer',
        ),
        (
            MeetingBody,
            b'{"session_keep_alive_time_in_secs": "60"}',
            '"session_keep_alive_time_in_secs" must be a number',
        ),
        (
            MeetingBody,
            b'{"title": "' + b"x" * 257 + b'"}',
            '"title" length must be less than or equal to 256 characters long',
        ),
        (
            MeetingBody,
            b'{"recording_config": {"video_config": {"codec": "AV1"}}}',
            '"recording_config.video_config.codec" must be one of [H264, VP8, VP9]',
        ),
        (
            MeetingBody,
            b'{"recording_config": {"file_name_prefix": "a/b"}}',
            '"recording_config.file_name_prefix" has an invalid format',
        ),
        (
            MeetingBody,
            b'{"recording_config": {"file_name_prefix": "a\\n"}}',
            '"recording_config.file_name_prefix" has an invalid format',
        ),
        (
            MeetingBody,
            b'{"recording_config": {"live_streaming_config": {"rtmp_url": "not a uri"}}}',
            '"recording_config.live_streaming_config.rtmp_url" must be a valid uri',
        ),
        (
            MeetingBody,
            b'{"ai_config": {"transcription": {"keywords": [1]}}}',
            '"ai_config.transcription.keywords[0]" must be a string',
        ),
        (ParticipantBody, b'{"custom_participant_id": "a"}', '"preset_name" is required'),
        (
            ParticipantBody,
            b'{"preset_name": "a", "picture": "picture.png"}',
            '"picture" must be a valid uri',
        ),
        (
            PollBody,
            b'{"question": "?", "options": ["a"]}',
            '"options" must contain at least 2 items',
        ),
        (
            PollBody,
            b'{"question": "?", "options": ["a", ""]}',
            '"options[1]" is not allowed to be empty',
        ),
        (MeetingBody, b"[]", '"value" must be of type object'),
        (MeetingBody, b"5", '"value" must be of type object'),
        (MeetingBody, b"null", '"value" must be of type object'),
        (MeetingBody, b"{", "The body is not valid JSON"),
        (MeetingBody, b'{"title": "\xff"}', "The body is not valid JSON"),
        (MeetingBody, b'{"title": "\\ud800"}', "The body is not valid JSON"),
        (MeetingBody, b'{"x": ' + b"[" * 100_000, "The body is not valid JSON"),
    ],
)
def test_the_first_wrong_member_is_named(shape, body, message):
    with pytest.raises(Invalid) as refused:
        read_body(body, shape)
    assert refused.value.message == message


def test_what_is_not_known_is_ignored_and_nothing_is_an_empty_object():
    assert read_body(b'{"preferred_region": null, "new_in_2031": {"a": 1}}', MeetingBody) == MeetingBody()
    assert read_body(b"", MeetingBody) == MeetingBody()


@pytest.mark.parametrize(
    ("query", "number", "size"),
    [
        (b"", 1, 25),
        (b"page_no=2&per_page=10", 2, 10),
        (b"page_no=2.0&per_page=10.0", 2, 10),
        (b"page_no=0&per_page=0", 1, 25),
        (b"per_page=101", 1, 100),
        (b"page_no=&per_page=", 1, 25),
        (b"unknown=1", 1, 25),
    ],
)
def test_pages_are_read_leniently(query, number, size):
    page = read_query(query, PageQuery).page()
    assert (page.number, page.size) == (number, size)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"page_no=-1", '"page_no" must be greater than or equal to 0'),
        (b"page_no=2.5", '"page_no" must be an integer'),
        (b"page_no=two", '"page_no" must be a number'),
        (b"per_page=inf", '"per_page" must be less than or equal to 2147483648'),
        (b"per_page=nan", '"per_page" must be greater than or equal to 0'),
        (b"status=OPEN", '"status" must be one of [ACTIVE, INACTIVE]'),
    ],
)
def test_a_wrong_query_is_refused(query, message):
    with pytest.raises(Invalid) as refused:
        read_query(query, MeetingQuery)
    assert refused.value.message == message


@pytest.mark.parametrize(
    "query",
    [
        b"filters=events&filters=device_info",
        b"filters=events,device_info",
        b"filters[]=events&filters[]=device_info",
        b"filters%5B%5D=events&filters%5B%5D=device_info",
    ],
)
def test_lists_may_be_written_in_three_ways(query):
    assert read_query(query, PeerQuery).filters == ["events", "device_info"]


def test_a_list_of_unknown_words_is_refused():
    with pytest.raises(Invalid, match=r'"filters\[1\]" must be one of'):
        read_query(b"filters=events,weather", PeerQuery)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00.250Z", datetime(2026, 3, 1, 10, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-03-01T10:00:00 02:00", datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_times_are_iso_8601(text, expected):
    assert instant(text, "start_time") == expected


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1767225600", "0001-01-01T00:00:00+14:00"])
def test_other_times_are_refused(text):
    with pytest.raises(Invalid, match='"start_time" must be a valid date'):
        instant(text, "start_time")


def test_a_range_upside_down_is_refused():
    with pytest.raises(Invalid, match='"start_time" must not be after "end_time"'):
        time_range("2026-01-02", "2026-01-01")
    assert time_range("2026-01-01", "2026-01-01") == (datetime(2026, 1, 1, tzinfo=UTC),) * 2


@given(st.text(alphabet="ab%+&=;[]2f0 ü"))
def test_a_query_is_split_as_the_standard_library_does(text):
    raw = text.encode()
    assert list(reading._pairs(raw)) == parse_qsl(raw.decode("latin-1"))
