"""Scores of sound and pictures."""

from __future__ import annotations

import pytest

from parley.quality import mos


def test_a_call_that_lacks_nothing_has_the_score_of_the_default_rating():
    # G.107 gives 4.41 for its defaults (R = 93.2).
    assert mos.of_rating(93.2) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(("rating", "score"), [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)])
def test_ratings_have_the_scores_of_the_recommendation(rating: float, score: float):
    assert mos.of_rating(rating) == pytest.approx(score, abs=0.01)  # G.107 Table B.1


def test_scores_have_ends():
    assert mos.of_rating(-5) == 1.0
    assert mos.of_rating(200) == 4.5
    assert mos.speech(1.0, 100_000) == 1.0


def test_loss_and_delay_lower_a_score():
    assert mos.speech(0, 20) > mos.speech(0.02, 20) > mos.speech(0.1, 20) > mos.speech(0.5, 20)
    assert mos.speech(0, 20) > mos.speech(0, 200) > mos.speech(0, 500)


def test_delay_counts_more_once_people_notice_it():
    below = mos.speech(0, 100) - mos.speech(0, 150)
    above = mos.speech(0, 250) - mos.speech(0, 300)
    assert above > 3 * below


def test_pictures_that_lag_have_lower_scores():
    assert mos.picture(0, 20, 30) == mos.picture(0, 20, 8) > mos.picture(0, 20, 4)
    assert mos.picture(0, 20, 0) == 1.0
    assert mos.picture(0, 20, None) == mos.speech(0, 20)
    assert mos.picture(0, 20, 3, is_screen=True) == mos.speech(0, 20)
