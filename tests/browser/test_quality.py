"""The official clients measure their calls without being asked, and the reports tell of it."""

from __future__ import annotations

import json
from typing import Any

from tests.browser.conftest import Stage
from tests.browser.customer import HOST, PARTICIPANT
from tests.browser.person import everybody_receives
from tests.media.browser import until


async def test_both_major_versions_report_how_their_calls_are(stage: Stage) -> None:
    meeting = await stage.meeting("Measured")
    alice = await stage.join(meeting, "Alice", HOST, sdk=1)
    bob = await stage.join(meeting, "Bob", PARTICIPANT, sdk=2)
    await everybody_receives(alice, bob)
    told: dict[str, Any] = {}

    async def reason() -> str:
        for person in (alice, bob):
            peer = await person.do("meeting.self.id")
            report = await stage.customer.peer_report(peer)
            told[person.name] = report["peer_report"]
        missing = {name: _missing(report) for name, report in told.items()}
        return "" if not any(missing.values()) else f"not reported yet: {missing}"

    await until(reason, 90)
    assert [told[name]["metadata"]["sdk_version"] for name in ("Alice", "Bob")] == ["1.5.1", "2.0.2"]
    for report in told.values():
        pairs = report["metadata"]["candidate_pairs"]
        assert any(pair.get("nominated") for pair in pairs["producing_transport"])
        cumulative = report["quality"]["video_consumer_cumulative"]
        assert 1 <= cumulative["quality_mos"]["avg"] <= 4.5, json.dumps(cumulative)


def _missing(report: dict[str, Any]) -> list[str]:
    streams = [f"{kind}_{side}" for kind in ("audio", "video") for side in ("producer", "consumer")]
    quality = report.get("quality", {})
    return [name for name in streams if not any("mos_quality" in each for each in quality.get(name, []))]
