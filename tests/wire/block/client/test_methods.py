"""No method of the published client is forgotten: each stands in some suite."""

from __future__ import annotations

import re

import pytest

from tests.wire.block.client.driver import FOLDER, methods_of_the_client
from tests.wire.block.serving import Block


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_method_of_the_client_is_called_by_a_suite(block: Block):
    suites = "\n".join(path.read_text() for path in sorted((FOLDER / "suites").glob("*.mjs")))
    known = await methods_of_the_client(block)
    missing = sorted(one for one in known if not re.search(rf"\b{re.escape(one)}\(", suites))
    assert len(known) > 90
    assert missing == []
