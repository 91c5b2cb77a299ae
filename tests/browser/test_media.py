"""Cameras, microphones and screens go off and on, people come and go, and pictures keep their place."""

from __future__ import annotations

import asyncio

from tests.browser.conftest import Stage
from tests.browser.customer import HOST, PARTICIPANT
from tests.browser.person import CAMERA, MICROPHONE, SCREEN, SCREEN_SOUND, everybody_receives
from tests.media.browser import until

LARGE_CAMERA = {"video": {"width": {"ideal": 1280}, "height": {"ideal": 720}, "frameRate": {"ideal": 15}}}


async def test_camera_and_microphone_go_off_and_on_again(stage: Stage) -> None:
    meeting = await stage.meeting("Off and on")
    alice = await stage.join(meeting, "Alice", HOST)
    bob = await stage.join(meeting, "Bob", PARTICIPANT)
    await everybody_receives(alice, bob)
    for _ in range(3):
        await bob.do("meeting.self.disableVideo()")
        await bob.do("meeting.self.disableAudio()")
        await alice.until("!person('Bob').videoEnabled && !person('Bob').audioEnabled")
        await bob.do("meeting.self.enableVideo()")
        await bob.do("meeting.self.enableAudio()")
        await alice.receives(bob)
    await bob.receives(alice)


async def test_who_comes_after_others_left_is_seen(stage: Stage) -> None:
    """Their pictures arrive in media sections that others have left behind."""
    meeting = await stage.meeting("Coming and going")
    alice = await stage.join(meeting, "Alice", HOST)
    bob = await stage.join(meeting, "Bob", PARTICIPANT)
    await everybody_receives(alice, bob)
    await bob.do("meeting.leave()")
    await alice.until("names().length === 0")
    carol = await stage.join(meeting, "Carol", PARTICIPANT)
    await everybody_receives(alice, carol)
    await carol.page.close()  # the tab, without leaving
    await alice.until("names().length === 0")
    dan = await stage.join(meeting, "Dan", PARTICIPANT)
    erin = await stage.join(meeting, "Erin", PARTICIPANT)
    await everybody_receives(alice, dan, erin)


async def test_one_screen_is_shared_at_a_time_with_its_sound(stage: Stage) -> None:
    meeting = await stage.meeting("Screens")
    alice = await stage.join(meeting, "Alice", HOST)
    bob, carol = await stage.join_all(meeting, PARTICIPANT, "Bob", "Carol")
    await everybody_receives(alice, bob, carol)
    await bob.do("meeting.self.enableScreenShare()")
    for viewer in (alice, carol):
        await viewer.until("person('Bob').screenShareEnabled")
        await viewer.receives(bob, what=(SCREEN, SCREEN_SOUND, CAMERA))
    await alice.do("meeting.self.enableScreenShare().catch(error => error.message)")
    await alice.until("!meeting.self.screenShareEnabled")
    await bob.until("person('Alice') && !person('Alice').screenShareEnabled")
    await bob.do("meeting.self.disableScreenShare()")
    await alice.until("!person('Bob').screenShareEnabled")
    await alice.do("meeting.self.enableScreenShare()")
    await bob.receives(alice, what=(SCREEN, SCREEN_SOUND))


async def test_a_small_picture_is_sent_small(stage: Stage) -> None:
    """Simulcast: the layer follows the size of the element, down and up again.

    The client never asks for the full layer again, only for the half; alone on the screen it comes full.
    """
    meeting = await stage.meeting("Layers")
    alice = await stage.join(meeting, "Alice", HOST, mediaConfiguration=LARGE_CAMERA)
    bob = await stage.join(meeting, "Bob", PARTICIPANT, video=False)
    await bob.receives(alice)

    async def arrives(wanted: int) -> None:
        async def reason() -> str:
            width = await bob.width_from(alice)
            return "" if width == wanted else f"{width} pixels wide, not {wanted}"

        await until(reason, 30)

    await arrives(1280)
    await bob.do(
        "(window.tile = document.createElement('video'), tile.style.cssText = 'width:160px;height:90px',"
        " document.body.append(tile), person('Alice').registerVideoElement(tile))"
    )
    await arrives(320)
    await bob.receives(alice, what=(CAMERA,))
    await bob.do("tile.style.cssText = 'width:1280px;height:720px'")
    await arrives(1280)


async def test_the_speaker_is_named(stage: Stage) -> None:
    meeting = await stage.meeting("Speaker")
    alice = await stage.join(meeting, "Alice", HOST, audio=False)
    bob = await stage.join(meeting, "Bob", PARTICIPANT, video=False)
    await alice.receives(bob, what=(MICROPHONE,))
    await alice.until("happened('activeSpeaker').some(each => each.peerId === person('Bob').id)")
    await asyncio.gather(alice.do("meeting.leave()"), bob.do("meeting.leave()"))
