"""Messages are found by their words, indexed or not yet."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.accounts.app_settings import AppSettings
from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.errors import NotFound
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import new_publication_id
from parley.channels.realtime.purging import Purge
from parley.channels.realtime.retention import Retention
from parley.channels.realtime.search import store as index
from parley.channels.realtime.search.indexer import BATCH, Indexer
from parley.channels.realtime.search.service import Found, Search
from parley.channels.realtime.search.words import WORD_LIMIT, app_mark, channel_mark, words_in, words_of
from parley.store.core import Store
from tests.channels.realtime.readers import draft


@dataclass
class Library:
    """Messages of an app, and what finds them."""

    scope: AppScope
    log: PublicationLog
    search: Search
    indexer: Indexer
    retention: Retention

    async def say(
        self, *texts: Any, channel: str = "chat:room", scope: AppScope | None = None, **more: Any
    ) -> list[str]:
        """Messages, in one transaction; their ids."""
        app_id = (scope or self.scope).app_id
        drafts = [
            draft(
                app_id,
                channel,
                data=json.dumps({"text": each} if isinstance(each, str) else each).encode(),
                **more,
            )
            for each in texts
        ]
        return [one.publication.id for one in await asyncio.gather(*map(self.log.append, drafts))]

    async def found(self, query: str, **more: Any) -> list[str]:
        """Texts that are found."""
        return [json.loads(one.data)["text"] for one in (await self.find(query, **more)).messages]

    async def find(self, query: str, **more: Any) -> Found:
        return await self.search.find(self.scope, query, **more)


@pytest.fixture
def library(store: Store, app_scope: AppScope) -> Library:
    retention = Retention(AppSettings(store.clock))
    log = PublicationLog(store, lambda publications: None)
    return Library(app_scope, log, Search(retention), Indexer(store), retention)


async def test_what_is_indexed_and_what_is_not_are_found_together(library: Library) -> None:
    await library.say("the quick fox", "a slow fox", "no animals")
    await library.indexer.catch_up()
    await library.say("The Quick brown FOX", "quickly")
    assert await library.found("fox quick") == ["The Quick brown FOX", "the quick fox"]
    await library.indexer.catch_up()
    assert await library.found("fox quick") == ["The Quick brown FOX", "the quick fox"]
    assert (await library.find("fox")).total == 3


async def test_the_index_holds_everything_once_it_has_caught_up(library: Library) -> None:
    await library.say(*(f"word {n}" for n in range(BATCH * 2 + 3)))
    await library.indexer.catch_up()
    assert (await index.progress(library.scope.store.database)).indexed == BATCH * 2 + 3
    assert (await library.find("word", limit=100)).total == BATCH * 2 + 3
    assert await library.found("word 401") == ["word 401"]


async def test_two_indexers_do_the_work_once(library: Library) -> None:
    await library.say(*(f"word {n}" for n in range(BATCH * 2)))
    others = [Indexer(library.scope.store) for _ in range(3)]
    await asyncio.gather(*(each.catch_up() for each in others))
    assert (await library.find("word")).total == BATCH * 2


@pytest.mark.parametrize("is_indexed", [False, True])
async def test_pages_follow_each_other(library: Library, is_indexed: bool) -> None:
    await library.say(*(f"word {n}" for n in range(5)))
    await library.say(*(f"word {n}" for n in range(5, 10)), channel="chat:other")
    if is_indexed:
        await library.indexer.catch_up()
    seen, before = [], None
    while True:
        page = await library.find("word", limit=3, before=before)
        assert page.total == 10
        seen += [one.offset for one in page.messages]
        if not page.has_more:
            break
        before = page.messages[-1].id
    assert seen == [5, 4, 3, 2, 1, 5, 4, 3, 2, 1]
    first = await library.find("word", limit=2, channel="chat:room")
    then = await library.find("word", limit=9, channel="chat:room", before=first.messages[-1].id)
    assert [one.offset for one in first.messages + then.messages] == [5, 4, 3, 2, 1]
    assert (first.has_more, then.has_more, first.total) == (True, False, 5)


async def test_an_unknown_cursor_is_not_found(library: Library) -> None:
    ids = await library.say("word", "other")
    for channel, cursor in ((None, "x"), (None, ids[1]), ("chat:room", new_publication_id(1))):
        with pytest.raises(NotFound):
            await library.find("word", channel=channel, before=cursor)
    assert (await library.find("word", channel="chat:room", before=ids[1])).messages[0].id == ids[0]


@pytest.mark.parametrize("is_indexed", [False, True])
async def test_only_what_may_be_read_is_found(
    library: Library, other_app_scope: AppScope, is_indexed: bool
) -> None:
    await library.say("word of theirs", scope=other_app_scope)
    await library.say("word ephemeral", in_history=False)
    await library.say("word closed", channel="private:x")
    await library.say("word open")
    if is_indexed:
        await library.indexer.catch_up()
    asked: list[str] = []

    async def may_read(channel: str) -> bool:
        asked.append(channel)
        return channel == "chat:room"

    assert await library.found("word", may_read=may_read) == ["word open"]
    assert sorted(asked) == ["chat:room", "private:x"]
    assert (await library.find("word", may_read=may_read)).total == 1
    assert await library.found("word") == ["word open", "word closed"]
    assert await library.found("word", channel="private:x") == ["word closed"]


async def test_marks_in_a_message_lead_nowhere(library: Library, other_app_scope: AppScope) -> None:
    """The index knows apps and channels by words of its own."""
    marks = f"{app_mark(library.scope.app_id)} {channel_mark('chat:room')}"
    await library.say(f"word {marks}", scope=other_app_scope)
    await library.say(f"word {marks}", channel="chat:other")
    await library.indexer.catch_up()
    assert (await library.find("word", channel="chat:room")).total == 0
    assert (await library.find("word")).total == 1


@pytest.mark.parametrize("is_indexed", [False, True])
async def test_what_has_expired_is_not_found(library: Library, clock: ManualClock, is_indexed: bool) -> None:
    await library.say("word old")
    clock.advance(24 * 3600)
    await library.say("word new")
    if is_indexed:
        await library.indexer.catch_up()
    assert await library.found("word") == ["word new"]


async def test_numbers_that_are_given_again_are_indexed_again(library: Library, clock: ManualClock) -> None:
    """SQLite gives the numbers of the last rows again once they are purged: new messages were not found."""
    await library.say("old one", "old two")
    await library.indexer.catch_up()
    clock.advance(24 * 3600)
    assert await Purge(library.scope.store, library.retention).run() == 2
    await library.say("new one")
    for _ in range(2):
        assert await library.found("one") == ["new one"]
        assert await library.found("old") == []
        await library.indexer.catch_up()


async def test_an_indexer_follows_by_itself(library: Library) -> None:
    await library.say("word")
    await library.indexer.start()
    async with asyncio.timeout(30):
        while not (await index.progress(library.scope.store.database)).indexed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await library.indexer.stop()
    assert await library.found("word") == ["word"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_transaction_that_commits_late_is_indexed(library: Library) -> None:
    """Numbers are given before the commit: the index must not pass one that cannot be seen yet."""
    database = library.scope.store.database
    async with database.transaction() as tx:
        await library.log.write(tx, [draft(library.scope.app_id, "chat:slow", data=b'{"text":"late word"}')])
        await library.say("early word")
        await library.indexer.catch_up()
        assert await library.found("word") == ["early word"]
    for _ in range(3):
        assert await library.found("word") == ["early word", "late word"]
        await library.indexer.catch_up()
    assert (await index.progress(database)).indexed == 2


HOSTILE = [
    '"',
    '" OR 1',
    "word OR other",
    "NEAR(a b)",
    "words:a",
    "a*",
    "^a",
    "{a}",
    "a' OR '1'='1",
    "%",
    "_",
    "\\",
    "a AND",
    "NOT a",
    "-a",
    "\ue000",
    "🎉",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 3,
    " ".join(chr(0x4E00 + n) for n in range(100)),
    "\ud7ff\uffff",
    "i̇İ",
]


@pytest.mark.parametrize("query", HOSTILE)
async def test_no_query_is_a_language(library: Library, query: str) -> None:
    await library.say("something else", f"before {query} after")
    expected = [f"before {query} after"] if words_in(query) else []
    assert await library.found(query) == expected
    await library.indexer.catch_up()
    assert await library.found(query) == expected


def test_words_are_of_the_text_or_of_every_text() -> None:
    assert words_of(b'{"text":"One two","other":"three"}') == {"one", "two"}
    assert words_of(b'{"message":"a","content":"b","text":7}') == {"a", "b"}
    assert words_of('{"x":["Über",{"y":"Straße"}],"n":1,"z":null}'.encode()) == {"über", "strasse"}
    assert words_of(b'"just text"') == {"just", "text"}
    assert words_of(b"17") == set()


def test_words_have_no_case_and_no_punctuation() -> None:
    assert words_in("Don't e-mail \uff21\uff22\uff23 foo_bar x²") == {
        "don",
        "t",
        "e",
        "mail",
        "abc",
        "foo",
        "bar",
        "x2",
    }
    assert words_in("東京 タワー") == {"東", "京", "タ", "ワ", "ー"}
    assert words_in("x" * 1_000) == {"x" * WORD_LIMIT}


@given(st.text())
def test_a_text_is_found_by_its_own_words(text: str) -> None:
    words = words_in(text)
    data = json.dumps({"text": text}).encode()
    if not any("\ud800" <= each <= "\udfff" for each in text):
        assert words_of(data) == words
    # So marks are no words, and nothing in a word means something to the index.
    assert not [word for word in words if not word or set(word) & {'"', " ", "*", "\ue000", "\ue001"}]
