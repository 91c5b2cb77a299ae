"""Webinars: who is on the stage is seen, and how one gets there and off again."""

from __future__ import annotations

import pytest_asyncio

from tests.browser.conftest import Stage
from tests.browser.customer import PRESENTER, VIEWER
from tests.browser.person import CAMERA, Person

Pair = tuple[Person, Person]


@pytest_asyncio.fixture(loop_scope="session")
async def webinar(stage: Stage) -> Pair:
    """A presenter, and a viewer who sees and hears them."""
    meeting = await stage.meeting("Webinar")
    wanda = await stage.join(meeting, "Wanda", PRESENTER)
    vic = await stage.join(meeting, "Vic", VIEWER)
    await vic.receives(wanda)
    return wanda, vic


async def test_a_viewer_watches_and_cannot_be_seen(webinar: Pair) -> None:
    wanda, vic = webinar
    assert await vic.do("meeting.stage.status") == "OFF_STAGE"
    await vic.do("meeting.self.enableVideo().catch(error => error.message)")
    assert await vic.do("meeting.self.producers.length") == 0
    await wanda.until("person('Vic').stageStatus === 'OFF_STAGE'")
    assert await wanda.received("Vic", CAMERA) is None


async def test_a_viewer_asks_is_let_onto_the_stage_and_taken_off(webinar: Pair) -> None:
    wanda, vic = webinar
    for _ in range(2):  # the second time, the client goes on with the streams of the first
        await vic.do("meeting.stage.requestAccess()")
        await vic.until("meeting.stage.status === 'REQUESTED_TO_JOIN_STAGE'")
        asking = await wanda.until("meeting.stage.getAccessRequests().stageRequests[0]")
        assert asking["displayName"] == "Vic"
        await wanda.do(f"meeting.stage.grantAccess(['{asking['userId']}'])")
        await vic.until("meeting.stage.status === 'ACCEPTED_TO_JOIN_STAGE'")
        await vic.do("meeting.stage.join()")
        await vic.until("meeting.stage.status === 'ON_STAGE'")
        await vic.do("meeting.self.enableAudio()")
        await vic.do("meeting.self.enableVideo()")
        await wanda.receives(vic)
        await vic.receives(wanda)
        await wanda.do("meeting.stage.kick([person('Vic').userId])")
        await vic.until("meeting.stage.status === 'OFF_STAGE'")
        await wanda.until("person('Vic').stageStatus === 'OFF_STAGE' && !person('Vic').videoEnabled")
        await vic.receives(wanda)


async def test_a_denied_viewer_may_ask_again(webinar: Pair) -> None:
    wanda, vic = webinar
    await vic.do("meeting.stage.requestAccess()")
    asking = await wanda.until("meeting.stage.getAccessRequests().stageRequests[0]")
    await wanda.do(f"meeting.stage.denyAccess(['{asking['userId']}'])")
    await vic.until("happened('stageRequestRejected').length === 1")
    await vic.until("meeting.stage.status === 'OFF_STAGE'")
    await wanda.until("meeting.stage.getAccessRequests().stageRequests.length === 0")
    await vic.do("meeting.stage.requestAccess()")
    await wanda.until("meeting.stage.getAccessRequests().stageRequests.length === 1")
    await vic.do("meeting.stage.cancelRequestAccess()")
    await wanda.until("meeting.stage.getAccessRequests().stageRequests.length === 0")


async def test_a_presenter_steps_off_the_stage_and_back(webinar: Pair) -> None:
    wanda, vic = webinar
    await wanda.do("meeting.stage.leave()")
    await vic.until("person('Wanda').stageStatus === 'OFF_STAGE' && !person('Wanda').videoEnabled")
    await wanda.do("meeting.stage.requestAccess()")  # granted by the preset
    await wanda.do("meeting.stage.join()")
    await wanda.do("meeting.self.enableAudio()")
    await wanda.do("meeting.self.enableVideo()")
    await vic.receives(wanda)
