"""Mean opinion scores, from 1 (bad) to 4.5 (as good as it gets), estimated from what a network did.

Speech: the E-model of ITU-T G.107 in the simplified form of Cole and Rosenbluth, "Voice over IP performance
monitoring" (2001), with every term but delay and loss at its default. Robustness against loss is that of
ITU-T G.113 Appendix I for a codec that conceals losses at random (Ie = 0, Bpl = 25.1); ITU-T publishes no
values for Opus, which does at least as well.

Video: there is no such model for what is measured here. The figure is the same estimate for the loss and
delay of the picture's packets, lowered by how far its frame rate fell below what still looks smooth.
"""

from __future__ import annotations

BASE = 93.2
"""Rating of a call that lacks nothing (G.107 defaults)."""
IE, BPL = 0.0, 25.1
FRAMING_MS = 20.0
"""Of sound that waits to be sent as one packet."""
SMOOTH_FPS, SMOOTH_SCREEN_FPS = 8.0, 3.0
"""Below these the official client calls a picture lagging."""
BEST = 4.5


def speech(loss: float, delay_ms: float) -> float:
    """The score of sound.

    Args:
        loss: lost packets as a fraction of those sent.
        delay_ms: from mouth to ear.
    """
    delay_ms = max(0.0, delay_ms)
    percent = 100 * min(1.0, max(0.0, loss))
    delayed = 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)
    lossy = IE + (95 - IE) * percent / (percent + BPL)
    return of_rating(BASE - delayed - lossy)


def of_rating(rating: float) -> float:
    """A rating R as a score (G.107 Annex B)."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return BEST
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)


def picture(
    loss: float, delay_ms: float, frames_per_second: float | None, *, is_screen: bool = False
) -> float:
    """The score of a picture; without a frame rate only its packets count."""
    score = speech(loss, delay_ms)
    if frames_per_second is None:
        return score
    smooth = SMOOTH_SCREEN_FPS if is_screen else SMOOTH_FPS
    return 1 + (score - 1) * min(1.0, max(0.0, frames_per_second) / smooth)
