"""Every statement of summaries and digests."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select, update

from parley.accounts.scope import AppScope, Change
from parley.conversations.summaries.model import Digest, Summary
from parley.store.query import Query, in_list, json_list, upsert
from parley.store.rows import RowMap
from parley.store.schema import conversations as t

s, d = t.conversation_summaries.c, t.conversation_digests.c
Reader = AppScope | Change
_summaries = RowMap(Summary, t.conversation_summaries)
_digests = RowMap(Digest, t.conversation_digests)
_OF_APP = s.app_id == bindparam("app_id")
_ONE = Query(
    select(*_summaries.columns).where(
        _OF_APP, s.conversation_id == bindparam("conversation_id"), s.prompt_id == bindparam("prompt_id")
    )
)
_MANY = Query(
    select(*_summaries.columns).where(
        _OF_APP, in_list(s.conversation_id, "ids"), s.prompt_id == bindparam("prompt_id")
    )
)
_KEYS = ("app_id", "conversation_id", "prompt_id")
_PUT = Query(
    upsert(
        t.conversation_summaries,
        _KEYS,
        {col.name: bindparam(col.name, type_=col.type) for col in s if col.name not in _KEYS},
    )
)
_MUST_REBUILD = Query(
    update(t.conversation_summaries)
    .where(_OF_APP, s.conversation_id == bindparam("conversation_id"), s.last_number >= bindparam("number"))
    .values(must_rebuild=True)
)
_DIGEST = Query(
    select(*_digests.columns).where(
        d.app_id == bindparam("app_id"), d.user_id == bindparam("user_id"), d.filters == bindparam("filters")
    )
)
_DIGEST_KEYS = ("app_id", "user_id", "filters")
_PUT_DIGEST = Query(
    upsert(
        t.conversation_digests,
        _DIGEST_KEYS,
        {
            column.name: bindparam(column.name, type_=column.type)
            for column in d
            if column.name not in _DIGEST_KEYS
        },
    )
)


async def get(reader: Reader, conversation_id: str, prompt_id: str) -> Summary | None:
    """The summary of a conversation."""
    row = await reader.one(_ONE, conversation_id=conversation_id, prompt_id=prompt_id)
    return None if row is None else _summaries.read(row)


async def of_conversations(reader: Reader, ids: Iterable[str], prompt_id: str) -> dict[str, Summary]:
    """The summaries that there are."""
    rows = await reader.all(_MANY, ids=json_list(ids), prompt_id=prompt_id)
    return {one.conversation_id: one for one in _summaries.read_all(rows)}


async def put(change: Change, summary: Summary) -> None:
    """Keep a summary in the place of an older one."""
    await change.run(_PUT, **_summaries.write(summary))


async def must_rebuild(change: Change, conversation_id: str, number: int) -> None:
    """A message was changed: summaries that it went into are to be made anew."""
    await change.run(_MUST_REBUILD, conversation_id=conversation_id, number=number)


async def get_digest(reader: Reader, user_id: str, filters: str) -> Digest | None:
    """Somebody's digest."""
    row = await reader.one(_DIGEST, user_id=user_id, filters=filters)
    return None if row is None else _digests.read(row)


async def put_digest(change: Change, digest: Digest) -> None:
    """Keep a digest in the place of an older one."""
    await change.run(_PUT_DIGEST, **_digests.write(digest))
