"""A meeting to record, and the recordings of its app."""

from __future__ import annotations

from datetime import timedelta

import pytest
import pytest_asyncio

from parley.accounts.scope import AppScope
from parley.base.signing import SignedLinks
from parley.meetings import service as meetings
from parley.meetings.model import Meeting
from parley.meetings.service import MeetingInput
from parley.recordings.service import Recordings
from parley.store.core import Store


@pytest_asyncio.fixture
async def meeting(app_scope: AppScope) -> Meeting:
    """A meeting nobody is in."""
    return await meetings.create_meeting(app_scope, MeetingInput(title="Weekly planning"))


@pytest.fixture
def recordings(store: Store) -> Recordings:
    """Kept for a week."""
    return Recordings(store, SignedLinks(b"tests"), public_url="http://parley.test", keep=timedelta(days=7))
