"""The end of the SDK's optional telemetry."""

from __future__ import annotations

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from parley.web.telemetry import telemetry_router


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/telemetry/api-silos/otel/logs"),
        ("POST", "/telemetry/da-collector/api/v1/message"),
        ("GET", "/telemetry/location"),
        ("GET", "/telemetry/location-legacy/?peerId=1"),
    ],
)
def test_everything_is_accepted_and_nothing_said(method: str, path: str) -> None:
    with TestClient(Litestar([telemetry_router()], openapi_config=None)) as client:
        answer = client.request(method, path, content=b"\x1f\x8b" if method == "POST" else None)
    assert answer.status_code == 204
    assert answer.content == b""


def test_endless_telemetry_is_refused() -> None:
    with TestClient(Litestar([telemetry_router()], openapi_config=None)) as client:
        answer = client.post("/telemetry/api-silos/otel/logs", content=bytes((1 << 20) + 1))
    assert answer.status_code == 413
