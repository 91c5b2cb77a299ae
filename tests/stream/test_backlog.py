"""What waits for a slow reader, counted to the frame and the byte."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from parley.stream.backlog import CHUNK_BYTES, Answer, Backlog
from parley.stream.frames import count, count_last, encode_binary, encode_text

SIZES = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536])


@given(st.lists(st.lists(SIZES, min_size=1, max_size=4), min_size=1, max_size=3), st.data())
def test_frames_of_which_something_is_left_are_counted(sizes: list[list[int]], data: st.DataObject) -> None:
    parts = [b"".join(encode_binary(bytes(size)) for size in each) for each in sizes]
    ends: list[int] = []
    for each in sizes:
        for size in each:
            ends.append((ends[-1] if ends else 0) + len(encode_binary(bytes(size))))
    assert [count(part) for part in parts] == [len(each) for each in sizes]
    left = data.draw(st.integers(0, ends[-1]))
    assert count_last(parts, left) == sum(1 for end in ends if end > ends[-1] - left)


def small(number: int) -> bytes:
    return b"".join(encode_text(b"x" * 10) for _ in range(number))


def test_what_the_transport_has_not_written_counts_too() -> None:
    backlog = Backlog()
    backlog.handed(small(10))
    backlog.add(small(5), 5)
    assert backlog.unsent_bytes(30) == 5 * 12 + 30
    assert backlog.has_more_than(7, 30)  # two whole ones of the ten, and half of a third
    assert not backlog.has_more_than(8, 30)
    assert not backlog.has_more_than(5, 0)


def test_frames_are_taken_as_they_were_given_and_count_until_they_are_written() -> None:
    backlog = Backlog()
    given_frames = [encode_binary(bytes(CHUNK_BYTES // 2)) for _ in range(3)]
    for data in given_frames:
        backlog.add(data, 1)
    taken = backlog.take()
    assert [id(data) for data in taken] == [id(data) for data in given_frames[:2]]
    assert (backlog.waiting_frames, backlog.waiting_bytes) == (1, len(given_frames[2]))
    assert backlog.has_more_than(2, sum(map(len, taken)))
    assert not backlog.has_more_than(2, len(taken[1]))
    assert list(backlog.take()) == given_frames[2:]
    assert not backlog.take()


def test_long_answers_do_not_count_and_keep_their_place() -> None:
    def texts() -> Iterator[bytes]:
        yield from (b"a" * 40_000 for _ in range(5))

    backlog = Backlog()
    backlog.add(small(1), 1)
    backlog.add_answer(Answer(texts()))
    backlog.add(small(2), 2)
    assert backlog.has_answer
    assert backlog.before_answers() == [small(1)]
    assert list(backlog.take()) == [small(1)]
    written = b""
    while backlog.has_answer:
        written += b"".join(backlog.take())
        assert backlog.unsent_bytes(100_000) == len(small(2))
        assert not backlog.has_more_than(2, 100_000)
    assert written == encode_text(b"a" * 40_000) * 5
    assert list(backlog.take()) == [small(2)]


def test_a_short_answer_is_all_in_its_beginning() -> None:
    short, long = Answer(iter([b"a", b"b"])), Answer(iter([b"a" * CHUNK_BYTES, b"b"]))
    assert (short.begin(), short.is_over) == (encode_text(b"a") + encode_text(b"b"), True)
    begun = long.begin()
    assert not long.is_over
    assert (long.take(), long.take(), long.is_over) == (begun, encode_text(b"b"), True)
