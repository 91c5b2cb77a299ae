from __future__ import annotations

import pytest

from parley.media.janus import layers
from parley.media.janus.layers import LayerSwitches
from parley.media.ports import Layer
from tests.waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(layers, "REPEAT_AFTER_S", (0.01,) * 4)


async def test_key_frames_are_asked_for_until_the_layer_is_reached():
    asked: list[str] = []
    switches = LayerSwitches()
    switches.begin("3", Layer.FULL, lambda: asked.append("3"))
    await until(lambda: "" if len(asked) == 2 else "not asked twice")

    switches.reached("3", Layer.HALF)
    await until(lambda: "" if len(asked) == 3 else "another layer ended it")
    switches.reached("3", Layer.FULL)
    switches.begin("4", Layer.FULL, lambda: asked.append("4"))
    await until(lambda: "" if asked.count("4") == 4 else "not asked")

    assert asked.count("3") == 3


async def test_layer_that_is_never_reached_is_given_up():
    asked: list[str] = []
    switches = LayerSwitches()
    switches.begin("3", Layer.FULL, lambda: asked.append("3"))
    await until(lambda: "" if len(asked) == 4 else "not asked")
    switches.begin("4", Layer.FULL, lambda: asked.append("4"))
    await until(lambda: "" if asked.count("4") == 4 else "not asked")

    assert asked.count("3") == 4


async def test_layer_that_is_there_already_needs_no_key_frame():
    asked: list[str] = []
    switches = LayerSwitches()
    switches.reached("3", Layer.HALF)
    switches.begin("3", Layer.HALF, lambda: asked.append("3"))
    switches.begin("4", Layer.HALF, lambda: asked.append("4"))
    await until(lambda: "" if asked.count("4") == 4 else "not asked")

    assert "3" not in asked


async def test_ended_transport_asks_no_more():
    asked: list[str] = []
    ended, other = LayerSwitches(), LayerSwitches()
    ended.begin("3", Layer.FULL, lambda: asked.append("3"))
    ended.cancel_all()
    other.begin("4", Layer.FULL, lambda: asked.append("4"))
    await until(lambda: "" if asked.count("4") == 4 else "not asked")

    assert "3" not in asked
