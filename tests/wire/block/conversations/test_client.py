"""The published client against messages, drafts, groups and conversations: every method of these services."""

from __future__ import annotations

from parley.base.ids import new_uuid
from tests.wire.block.client.driver import run_suite
from tests.wire.block.conversations.conftest import Talk
from tests.wire.block.serving import Block

NOT_FOUND = {"status": 404, "code": "not_found"}
FORBIDDEN = {"status": 403, "code": "forbidden"}


async def test_the_client_sends_messages_and_answers_actions(block: Block):
    told = await run_suite(
        block,
        "messages",
        people=["ada", "ben", "eve"],
        services=["messages", "messageActions"],
        context=new_uuid(),
    )
    assert told == {
        "sent": {
            "content": "Shall we?",
            "context": True,
            "source": True,
            "target": True,
            "value": 1.5,
            "payload": {"order": 7},
            "ragSources": ["a", "b"],
            "notification": ["Ada asks", "https://app.example/7"],
            "key": "first",
            "expires": "2040-01-01T00:00:00.000Z",
            "status": "active",
            "enabled": True,
            "actions": [["Yes", "yes", "pending"], ["No", "no", "pending"]],
        },
        "again": 2,
        "page": [["Yes"], {"currentPage": 1, "totalPages": 2, "totalCount": 2, "perPage": 1}],
        "filtered": 1,
        "unsorted": 1,
        "got": 2,
        "byContext": ["Yes", "Shall we?"],
        "byParent": [True],
        "updated": ["Shall we go?", {"order": 8}, True],
        "foreign": FORBIDDEN,
        "unseen": NOT_FOUND,
        "empty": {"status": 422, "code": "validation_error", "source": "/message/content"},
        "actions": [["Yes", "No"], 10],
        "action": "?",
        # The client shows states that it does not know as `active`.
        "responded": [{"chosen": "yes"}, "yes!", {"at": "home"}, True],
        "notTheirs": FORBIDDEN,
        "left": 1,
        "gone": NOT_FOUND,
        "trash": 1,
        "recovered": "Shall we go?",
        "batch": {
            "total": 3,
            "created": 1,
            "duplicates": 1,
            "failed": 1,
            "failedItems": ["A message needs a content."],
            "emailsSent": 0,
            "emailsFailed": 0,
            "emailsSkipped": 1,
        },
    }


async def test_the_client_keeps_and_sends_drafts(block: Block):
    told = await run_suite(
        block, "drafts", people=["ada", "ben"], services=["draftMessages"], context=new_uuid()
    )
    assert told == {
        "created": ["Dear", "pending", True, True, {"a": 1}, 3],
        "got": True,
        "hidden": NOT_FOUND,
        "listed": {"currentPage": 1, "totalPages": 1, "totalCount": 1, "perPage": 5},
        "byContext": 1,
        "updated": "Dear Ben",
        "published": ["archived", False],
        "message": [["Dear Ben", {"a": 1}]],
        "twice": {"status": 409, "code": "conflict"},
        "gone": NOT_FOUND,
    }


async def test_the_client_manages_groups_and_invites(block: Block):
    told = await run_suite(
        block,
        "groups",
        people=["ada", "ben", "cem", "eve"],
        services=["groups", "groupInvites", "users.listGroups", "users.listContextGroups"],
    )
    assert told == {
        "created": ["Team Red", "red", "q", "team", ["ada", "guest-7"], True, "active", True, "crm"],
        "listed": [["Team Red"], {"currentPage": 1, "totalPages": 1, "totalCount": 1, "perPage": 5}],
        "got": True,
        "hidden": NOT_FOUND,
        "added": 3,
        "addedTwice": 3,
        "notBen": FORBIDDEN,
        "ofUser": ["Team Red"],
        "ofContext": ["Team Red"],
        "ofUserAndContext": 1,
        "removed": 2,
        "removedTwice": NOT_FOUND,
        "updated": ["Team Blue", False, 2],
        "taken": {"status": 409, "code": "conflict"},
        "invite": [22, 1, 0, True, True, "2040-01-01T00:00:00.000Z", "active"],
        "qr": ["data:image/png;base64,iVBO", "https://block.example/groups/join/CODE"],
        "joined": True,
        "again": {"status": 409, "code": "already_member"},
        "full": {"status": 410, "code": "max_uses_reached"},
        "unknown": {"status": 404, "code": "invalid_code"},
        "invites": [[True, 1]],
        "unlimited": [None, 0],
        "revoked": {"status": 410, "code": "revoked"},
        "byServer": True,
        "notTheirs": FORBIDDEN,
        "gone": NOT_FOUND,
        "trash": ["Team Blue"],
        "recovered": "Team Blue",
    }


async def test_the_client_reads_and_summarises_conversations(block: Block, talk: Talk):
    of_talk = await talk("ada", "ben", reference="launch", payload={"project": "x1"})
    group = await block.ask(
        "ada",
        "POST",
        "/groups",
        {"group": {"name": "Red", "members": [block.person("ben").id]}},
        status=201,
    )
    in_group = await talk("ada", group_id=group["data"]["id"])
    told = await run_suite(
        block,
        "conversations",
        people=["ada", "ben"],
        services=[
            "conversations",
            "contexts",
            "users.listConversations",
            "users.listGroupConversations",
            "users.getUnreadSummary",
        ],
        talk=of_talk,
        inGroup=in_group,
    )
    assert told == {
        "context": ["Launch", "All about it", "project", "active", {"a": 1}, {"b": 2}],
        "gotContext": True,
        "hiddenContext": NOT_FOUND,
        "changedContext": ["Landing", "archived", "All about it"],
        "contexts": [["Landing"], {"currentPage": 1, "totalPages": 1, "totalCount": 1, "perPage": 5}],
        "groups": 0,
        "unread": {
            "buckets": [
                {
                    "key": "x1",
                    "unreadCount": 3,
                    "conversationCount": 1,
                    "conversationPayload": {"project": "x1"},
                }
            ],
            "totalUnreadCount": 3,
            "totalConversationCount": 1,
            "groupBy": "payload:project",
        },
        "listed": [
            [[False, False, 0], [True, False, 3]],
            {"currentPage": 1, "totalPages": 1, "totalCount": 2, "perPage": 5},
        ],
        "inGroups": [[True], 1],
        "opened": [["We agreed", "Ben, plea"], [], 3, 3, 2, 2, False],
        "after": 0,
        "summary": [True, "completed", True, True, True, 3, False],
        "summaryAgain": True,
        "included": ["completed", True, "conversation", 3],
        "digest": [[[True, "completed", 3, True]], 1, 1, None],
        "tooMany": {"status": 422, "code": "validation_error", "source": "/context_unique_ids"},
        "keys": False,
        "notTheirs": FORBIDDEN,
        "gone": NOT_FOUND,
        "goneSummary": NOT_FOUND,
    }
