"""Pictures of people without a camera, for the encoder."""

from __future__ import annotations

from pathlib import Path

from parley.livestreams.avatars import Avatars
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from tests.outgoing.test_pictures import PNG, answering
from tests.waiting import until


async def test_each_is_fetched_once_and_what_cannot_be_had_is_not_asked_for_again(tmp_path: Path):
    http, came = OutgoingHttp(OutgoingPolicy()), []
    avatars = Avatars(http, tmp_path, lambda: came.append(1))
    try:
        async with answering(PNG) as url, answering(b"", 404) as missing:
            assert avatars.file(None) is None
            assert [avatars.file(each) for each in (missing, url, url)] == [None, None, None]
            await until(lambda: "" if came else "nothing comes")
            picture = avatars.file(url)
            assert picture is not None
            assert picture.read_bytes() == PNG
            assert avatars.file(missing) is None
        assert avatars.file(url) == picture  # its server is gone
        assert len(came) == 1
    finally:
        await avatars.stop()
        await http.close()
