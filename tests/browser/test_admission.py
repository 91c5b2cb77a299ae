"""Waiting rooms, hosts' controls, permissions, and how people are sent away."""

from __future__ import annotations

from tests.browser.conftest import Stage
from tests.browser.customer import GUEST, HOST, PARTICIPANT
from tests.browser.person import CAMERA, everybody_receives


async def test_a_guest_waits_until_accepted(stage: Stage) -> None:
    meeting = await stage.meeting("Waiting")
    alice = await stage.join(meeting, "Alice", HOST)
    gina = await stage.enter(meeting, "Gina", GUEST)
    await gina.do("void meeting.join()")
    await gina.until("meeting.self.roomState === 'waitlisted'")
    waiting = await alice.until("meeting.participants.waitlisted.toArray()[0]?.id")
    assert await alice.do("names()") == []
    await alice.do(f"meeting.participants.acceptWaitingRoomRequest('{waiting}')")
    await gina.until("meeting.self.roomState === 'joined'")
    await everybody_receives(alice, gina)
    await alice.until("meeting.participants.waitlisted.size === 0")


async def test_a_denied_guest_stays_outside(stage: Stage) -> None:
    meeting = await stage.meeting("Denied")
    alice = await stage.join(meeting, "Alice", HOST, video=False)
    gina = await stage.enter(meeting, "Gina", GUEST)
    await gina.do("void meeting.join()")
    waiting = await alice.until("meeting.participants.waitlisted.toArray()[0]?.id")
    await alice.do(f"meeting.participants.rejectWaitingRoomRequest('{waiting}')")
    await gina.until("meeting.self.roomState === 'rejected'")
    assert await alice.do("names()") == []


async def test_guests_enter_with_the_first_host(stage: Stage) -> None:
    preset = await stage.customer.derive_preset(
        "with_the_host", GUEST, {"permissions": {"waiting_room_type": "ON_PRIVILEGED_USER_ENTRY"}}
    )
    meeting = await stage.meeting("Entry with the host")
    gina = await stage.enter(meeting, "Gina", preset)
    await gina.do("void meeting.join()")
    await gina.until("meeting.self.roomState === 'waitlisted'")
    alice = await stage.join(meeting, "Alice", HOST)
    await gina.until("meeting.self.roomState === 'joined'")
    await everybody_receives(alice, gina)
    hank = await stage.join(meeting, "Hank", preset, video=False)
    await alice.until("names().includes('Hank')")
    assert await hank.do("happened('waitlisted').length") == 0


async def test_a_kicked_participant_is_out_and_the_host_stays(stage: Stage) -> None:
    meeting = await stage.meeting("Kick")
    alice = await stage.join(meeting, "Alice", HOST, video=False)
    bob = await stage.join(meeting, "Bob", PARTICIPANT)
    await alice.until("person('Bob')")
    await alice.do("void person('Bob').kick()")
    await bob.until("meeting.self.roomState === 'kicked'")
    await alice.until("names().length === 0")
    assert await alice.do("meeting.self.roomState") == "joined"


async def test_kick_all_ends_the_meeting_for_everybody(stage: Stage) -> None:
    meeting = await stage.meeting("Kick all")
    people = [await stage.join(meeting, "Alice", HOST, video=False)]
    people += await stage.join_all(meeting, PARTICIPANT, "Bob", "Carol")
    await people[0].until("names().length === 2")
    await people[0].do("void meeting.participants.kickAll()")
    for person in people:
        await person.until("meeting.self.roomState === 'ended'")


async def test_a_deleted_participant_is_sent_away(stage: Stage) -> None:
    meeting = await stage.meeting("Deleted")
    alice = await stage.join(meeting, "Alice", HOST, video=False)
    invitation = await stage.customer.invite(meeting, "Bob", PARTICIPANT)
    bob = await stage.enter_with(invitation, "Bob")
    await bob.join()
    await alice.until("person('Bob')")
    await stage.customer.remove(meeting, invitation)
    await bob.until("meeting.self.roomState === 'kicked'")
    await alice.until("names().length === 0")


async def test_a_host_mutes_and_the_muted_may_speak_again(stage: Stage) -> None:
    meeting = await stage.meeting("Mute")
    alice = await stage.join(meeting, "Alice", HOST)
    bob = await stage.join(meeting, "Bob", PARTICIPANT)
    await alice.receives(bob)
    await alice.do("person('Bob').disableAudio()")
    await bob.until("!meeting.self.audioEnabled")
    await alice.until("!person('Bob').audioEnabled")
    await alice.do("person('Bob').disableVideo()")
    await bob.until("!meeting.self.videoEnabled")
    await bob.do("meeting.self.enableAudio()")
    await bob.do("meeting.self.enableVideo()")
    await alice.receives(bob)


async def test_a_host_mutes_everybody_at_once(stage: Stage) -> None:
    meeting = await stage.meeting("Mute all")
    alice = await stage.join(meeting, "Alice", HOST, video=False)
    bob, carol = await stage.join_all(meeting, PARTICIPANT, "Bob", "Carol")
    await alice.receives(bob, carol)
    await alice.do("meeting.participants.disableAllAudio(true)")
    await alice.do("meeting.participants.disableAllVideo()")
    for other in (bob, carol):
        await other.until("!meeting.self.audioEnabled && !meeting.self.videoEnabled")
    assert await alice.do("meeting.self.audioEnabled")


async def test_pins_and_names_are_seen_by_everybody(stage: Stage) -> None:
    meeting = await stage.meeting("Pins")
    alice = await stage.join(meeting, "Alice", HOST, video=False)
    bob, carol = await stage.join_all(meeting, PARTICIPANT, "Bob", "Carol")
    await alice.until("names().length === 2")
    await alice.do("person('Bob').pin()")
    await bob.until("meeting.self.isPinned")
    await carol.until("person('Bob').isPinned")
    await alice.do("person('Bob').unpin()")
    await carol.until("!person('Bob').isPinned")
    await bob.until("!meeting.self.isPinned")


async def test_a_name_is_changed_before_joining(stage: Stage) -> None:
    meeting = await stage.meeting("Names")
    alice = await stage.join(meeting, "Alice", HOST, video=False)
    bob = await stage.enter(meeting, "Bob", PARTICIPANT)
    await bob.do("meeting.self.setName('Robert')")
    await bob.join()
    await alice.until("person('Robert')")
    bob.name = "Robert"
    await alice.receives(bob, what=(CAMERA,))


async def test_permissions_change_at_once_and_are_enforced(stage: Stage) -> None:
    meeting = await stage.meeting("Permissions")
    alice = await stage.join(meeting, "Alice", HOST, video=False)
    bob = await stage.join(meeting, "Bob", PARTICIPANT, video=False)
    await alice.until("person('Bob')")
    await bob.do("meeting.chat.sendTextMessage('before')")
    await alice.until("texts().includes('before')")
    await alice.do(
        "meeting.participants.updatePermissions([person('Bob').id],"
        " {chat: {public: {canSend: false, text: false, files: false}}})"
    )
    await bob.until("meeting.self.permissions.chatPublic.canSend === false")
    await bob.do("meeting.chat.sendTextMessage('after').catch(error => error.message)")
    await alice.do("meeting.chat.sendTextMessage('last')")
    await bob.until("texts().includes('last')")
    assert await alice.do("texts()") == ["before", "last"]
