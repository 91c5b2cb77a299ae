"""What sessions leave behind, and what was used day by day, asked for by the official Python SDK."""

from __future__ import annotations

from typing import Any

import cloudflare
import pytest

from parley.base.ids import MeetingId, SessionId
from parley.channels import service as channels
from parley.channels.model import Message, MessageKind
from parley.meetings import service as meetings
from parley.meetings.history.chat.dump import DUMP_QUEUE
from parley.meetings.model import EndReason
from parley.recordings.model import SERVER, Start, StartReason
from parley.recordings.settings import RecordingSettings
from parley.store.jobs import Job
from tests.store.databases import running
from tests.waiting import until
from tests.wire.realtimekit.serving import Api, dump, dumps_of, ended, recordings_of


async def test_the_chat_of_an_ended_session_has_a_link(api: Api):
    _, session = await ended(api, "hello")
    await dump(api, session)
    chat = (await api.client.realtime_kit.sessions.get_session_chat(session, **api.here)).data
    assert chat.chat_download_url.startswith(f"http://parley.test/files/chat/{session}/chat.csv?")
    assert chat.chat_download_url_expiry == "2026-01-08T00:01:00.000Z"


async def test_ending_a_session_asks_for_its_chat(api: Api):
    _, session = await ended(api, "hello")
    store, seen = api.scope.store, []

    async def handler(job: Job) -> None:
        seen.append(job.body)

    store.jobs.handle(DUMP_QUEUE, handler)
    async with running(store):
        await until(lambda: "" if seen else "no job")
    assert seen == [{"session_id": session}]


async def test_a_message_that_is_stored_after_the_file_was_written_has_it_written_again(
    api: Api, monkeypatch
):
    meeting = await api.meeting()
    ann = await api.join(meeting, await api.participant(meeting, "c-ann"), name="Ann")
    live = await api.registry.open(api.scope, MeetingId(meeting))
    assert live.session is not None
    store, session, send = api.scope.store, live.session.id, channels.send
    dumps, runs = dumps_of(store), []

    async def handler(job: Job) -> None:
        await dumps.dump(job)
        runs.append(job.key)

    async def late(*args: Any, **kwargs: Any) -> Message:
        await live.end(EndReason.HOST_ENDED_MEETING)
        await until(lambda: "" if runs else "the chat is not written")
        return await send(*args, **kwargs)

    store.jobs.handle(DUMP_QUEUE, handler)
    monkeypatch.setattr(channels, "send", late)
    async with running(store):
        await live.chat.send_to_all(ann, MessageKind.TEXT, "wait")
        await until(lambda: "" if len(runs) > 1 else "the chat is not written again")
    await api.client.realtime_kit.sessions.get_session_chat(session, **api.here)


async def test_sessions_that_run_or_had_no_chat_have_none(api: Api):
    sessions = api.client.realtime_kit.sessions
    meeting = await api.meeting()
    await api.join(meeting, await api.participant(meeting, "c-ann"))
    live = (await api.client.realtime_kit.active_session.get_active_session(meeting, **api.here)).data.id
    _, silent = await ended(api)
    await dump(api, silent)
    for session in (live, silent):
        with pytest.raises(cloudflare.NotFoundError, match=f"No chat found for session with id {session}"):
            await sessions.get_session_chat(session, **api.here)


async def test_without_a_transcript_there_is_no_summary_either(api: Api):
    sessions = api.client.realtime_kit.sessions
    _, session = await ended(api)
    for form in ("SRT", "VTT", "JSON", "CSV"):
        with pytest.raises(cloudflare.NotFoundError, match="No transcript found"):
            await sessions.get_session_transcripts(session, **api.here, format=form)
    with pytest.raises(cloudflare.NotFoundError, match="No summary found"):
        await sessions.get_session_summary(session, **api.here)
    with pytest.raises(cloudflare.NotFoundError, match="No transcript found"):
        await sessions.generate_summary_of_transcripts(session, **api.here)
    await api.ask("GET", f"/sessions/{session}/transcript?format=PDF", status=400)


async def test_a_running_session_is_not_summed_up(api: Api):
    meeting = await api.meeting()
    await api.join(meeting, await api.participant(meeting, "c-ann"))
    live = (await api.client.realtime_kit.active_session.get_active_session(meeting, **api.here)).data.id
    with pytest.raises(cloudflare.BadRequestError, match="still running"):
        await api.client.realtime_kit.sessions.generate_summary_of_transcripts(live, **api.here)


# --- day by day -------------------------------------------------------------------------------


async def test_sessions_and_recordings_are_counted_by_day(api: Api, clock):
    meeting, _ = await ended(api)
    clock.advance(2 * 86_400)
    second, _ = await ended(api)
    kept = recordings_of(api.scope.store)
    settings, why = RecordingSettings(), StartReason(Start.API_CALL, SERVER)
    recording = await kept.start(
        api.scope, await meetings.get_meeting(api.scope, MeetingId(meeting)), settings, why
    )
    await kept.began(api.scope, recording.id, SessionId(second))
    clock.advance(90)
    kit = api.client.realtime_kit
    for ask in (kit.analytics.get_org_analytics, kit.livestreams.get_org_analytics):
        used = (
            await ask(api.scope.app_id, **api.account, start_date="2026-01-01", end_date="2026-01-03")
        ).data
        sessions, recorded = used.session_stats, used.recording_stats
        assert (sessions.sessions_count, sessions.sessions_minutes_consumed) == (2, 2.0)
        assert [(day.day, day.total_sessions, day.total_session_minutes) for day in sessions.day_stats] == [
            ("2026-01-01", 1, 1.0),
            ("2026-01-02", 0, 0.0),
            ("2026-01-03", 1, 1.0),
        ]
        assert (recorded.recording_count, recorded.recording_minutes_consumed) == (1, 1.5)
        assert [(day.total_recordings, day.total_recording_minutes) for day in recorded.day_stats] == [
            (0, 0),
            (0, 0),
            (1, 2),
        ]


async def test_a_running_session_counts_up_to_now(api: Api, clock):
    meeting = await api.meeting()
    await api.join(meeting, await api.participant(meeting, "c-ann"))
    clock.advance(150)
    used = await api.ask("GET", "/analytics/daywise", status=200)
    assert used["data"]["session_stats"]["sessions_minutes_consumed"] == 2.5
    assert used["data"]["session_stats"]["day_stats"][-1]["day"] == "2026-01-01"


async def test_thirty_days_and_today_are_the_default(api: Api):
    used = await api.ask("GET", "/analytics/daywise", status=200)
    days = [each["day"] for each in used["data"]["session_stats"]["day_stats"]]
    assert (len(days), days[0], days[-1]) == (31, "2025-12-02", "2026-01-01")


@pytest.mark.parametrize(
    "query",
    [
        "start_date=2026-01-02&end_date=2026-01-01",
        "start_date=2026-02-30",
        "start_date=20260101",
        "end_date=tomorrow",
        "start_date=0001-01-01&end_date=9999-12-31",
    ],
)
async def test_ranges_that_are_none_are_refused(api: Api, query: str):
    refused = await api.ask("GET", f"/analytics/daywise?{query}", status=400)
    assert "_date" in refused["error"]["message"]


@pytest.mark.parametrize("end", ["0001-01-05", "9999-12-31"])
async def test_days_at_the_ends_of_the_calendar_are_no_error(api: Api, end: str):
    used = await api.ask("GET", f"/analytics/daywise?start_date={end}&end_date={end}", status=200)
    assert used["data"]["session_stats"]["sessions_count"] == 0
    await api.ask("GET", f"/analytics/daywise?end_date={end}", status=200)
