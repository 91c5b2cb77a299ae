"""A local folder and an S3-compatible server keep the same promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from parley.base.errors import NotFound
from parley.store.blobs import PART_BYTES, Blobs, BlobsUnavailable
from tests.storages import S3Server, s3_server


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3-compatible server that keeps its buckets in memory."""
    with s3_server() as server:
        yield server.url


@pytest.fixture(params=["local", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Empty storage of either kind."""
    if request.param == "local":
        return Blobs.local(tmp_path / "files")
    endpoint = request.getfixturevalue("s3_endpoint")
    bucket = f"bucket-{tmp_path.name.lower().replace('_', '-')[:40]}x"
    _make_bucket(endpoint, bucket)
    return _s3(endpoint, bucket)


def _s3(endpoint: str, bucket: str, prefix: str = "") -> Blobs:
    return Blobs.s3(
        bucket, endpoint=endpoint, region="us-east-1", access_key="key", secret_key="secret", prefix=prefix
    )


def _make_bucket(endpoint: str, bucket: str) -> None:
    S3Server(endpoint).make(bucket)


async def _chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def _read(files: Blobs, key: str) -> bytes:
    blob = await files.get(key)
    content = b"".join([chunk async for chunk in blob.chunks])
    assert len(content) == blob.size_bytes
    return content


async def test_a_file_comes_back_as_it_was_stored(files):
    assert await files.put("a/b/c.txt", _chunks(b"one ", b"", b"two")) == 7
    assert await _read(files, "a/b/c.txt") == b"one two"


async def test_an_empty_file_is_a_file(files):
    assert await files.put("empty", _chunks()) == 0
    assert await _read(files, "empty") == b""


async def test_a_file_of_several_parts_comes_back_whole(files):
    parts = [bytes([n]) * (PART_BYTES // 2 + 1) for n in range(5)]
    assert await files.put("big", _chunks(*parts)) == sum(map(len, parts))
    assert await _read(files, "big") == b"".join(parts)


async def test_parts_of_a_file_are_read(files):
    await files.put("a", _chunks(bytes(range(100))))
    blob = await files.get("a")
    for first, count in ((0, 1), (10, 20), (99, 1), (0, 100)):
        part = b"".join([chunk async for chunk in blob.read(first, count)])
        assert part == bytes(range(first, first + count))


async def test_a_file_that_is_stored_again_has_another_mark(files):
    await files.put("a", _chunks(b"first"))
    before = await files.get("a")
    await files.put("a", _chunks(b"second"))
    assert before.etag
    assert (await files.get("a")).etag not in (None, before.etag)


async def test_storing_again_replaces(files):
    await files.put("a", _chunks(b"first, longer"))
    await files.put("a", _chunks(b"second"))
    assert await _read(files, "a") == b"second"


@pytest.mark.parametrize("size", [10, 2 * PART_BYTES + 10], ids=["in one part", "in several parts"])
async def test_an_upload_that_breaks_off_leaves_nothing(files, size):
    async def broken() -> AsyncIterator[bytes]:
        for start in range(0, size, 1 << 20):
            yield b"x" * min(1 << 20, size - start)
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await files.put("a", broken())
    with pytest.raises(NotFound):
        await files.get("a")


async def test_a_missing_file_is_not_found(files):
    with pytest.raises(NotFound):
        await files.get("missing")


async def test_removing_may_be_repeated(files):
    await files.put("a", _chunks(b"x"))
    await files.delete("a")
    await files.delete("a")
    with pytest.raises(NotFound):
        await files.get("a")


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "a/./b", "..", "a//b", "a\x00b", ""])
async def test_a_key_that_leads_elsewhere_is_refused(files, key, tmp_path):
    with pytest.raises(ValueError):
        await files.put(key, _chunks(b"x"))
    with pytest.raises(ValueError):
        await files.get(key)
    with pytest.raises(ValueError):
        await files.delete(key)
    assert not (tmp_path / "outside").exists()


async def test_odd_names_stay_inside_the_folder(tmp_path):
    files = Blobs.local(tmp_path / "files")
    for key in ("%2e%2e/x", "a\\..\\b", "ü/\u202e"):
        await files.put(key, _chunks(b"x"))
        assert await _read(files, key) == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


async def test_prefixes_keep_installations_apart(s3_endpoint):
    _make_bucket(s3_endpoint, "shared-bucket")
    one, two = (_s3(s3_endpoint, "shared-bucket", prefix) for prefix in ("one", "two"))
    await one.put("a", _chunks(b"x"))
    with pytest.raises(NotFound):
        await two.get("a")
    assert await _read(_s3(s3_endpoint, "shared-bucket"), "one/a") == b"x"


async def test_a_bucket_that_does_not_exist_is_unavailable(s3_endpoint):
    with pytest.raises(BlobsUnavailable):
        await _s3(s3_endpoint, "no-such-bucket").put("a", _chunks(b"x"))


async def test_a_folder_that_refuses_is_unavailable(tmp_path):
    files = Blobs.local(tmp_path / "files")
    await files.put("a", _chunks(b"x"))
    with pytest.raises(BlobsUnavailable):
        await files.put("a/b", _chunks(b"a file is in the place of the folder"))
