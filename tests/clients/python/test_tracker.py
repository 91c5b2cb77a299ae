from __future__ import annotations

from parley_realtime.tracker import Tracker, Verdict


def tracker_at(offset: int) -> Tracker:
    tracker = Tracker()
    tracker.set("e", offset)
    return tracker


def test_the_next_place_is_delivered() -> None:
    assert tracker_at(4).judge("e", 5) is Verdict.DELIVER


def test_what_was_seen_is_dropped() -> None:
    assert tracker_at(4).judge("e", 4) is Verdict.DROP


def test_a_place_left_out_is_missing() -> None:
    assert tracker_at(4).judge("e", 6) is Verdict.MISSING


def test_another_epoch_is_missing() -> None:
    assert tracker_at(4).judge("f", 5) is Verdict.MISSING


def test_a_place_of_ones_own_is_not_missing() -> None:
    tracker = tracker_at(4)
    tracker.skip("e", 5)
    assert tracker.judge("e", 6) is Verdict.DELIVER


def test_a_place_of_ones_own_may_be_known_before_its_neighbours() -> None:
    tracker = tracker_at(4)
    tracker.skip("e", 6)
    assert tracker.judge("e", 7) is Verdict.MISSING
    tracker.seen(5)
    assert tracker.offset == 6
    assert tracker.judge("e", 7) is Verdict.DELIVER


def test_a_replay_of_ones_own_is_dropped() -> None:
    tracker = tracker_at(4)
    tracker.skip("e", 6)
    assert tracker.judge("e", 6) is Verdict.DROP


def test_own_places_of_another_epoch_are_forgotten() -> None:
    tracker = tracker_at(4)
    tracker.skip("e", 6)
    tracker.set("f", 5)
    assert tracker.judge("f", 6) is Verdict.DELIVER
    tracker.skip("e", 6)
    assert tracker.offset == 5
