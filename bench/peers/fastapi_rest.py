"""Two endpoints of the REST API as one would write them plainly: FastAPI, pydantic models, apsw.

    python fastapi_rest.py DATABASE ROUTES

Runs in the peers' environment, on a copy of the database that Parley made: same tables, indices, rows and
credential, same durability, and the same checks (credential, account, app, body). Prints its address.

ROUTES is a file, a JSON list of methods and paths: what the other API declares, in its order. Those that are
not the two below get a handler that answers `{}`, so that both are applications of the same size.
"""

# mypy: ignore-errors
# (its packages are in another environment)
import hashlib
import json
import socket
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import apsw
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Path, Query
from pydantic import BaseModel, Field

Uuid = Annotated[str, Path(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]


class AudioConfig(BaseModel):
    codec: Literal["MP3", "AAC"] = "AAC"
    channel: Literal["mono", "stereo"] = "stereo"
    export_file: bool = True


class WatermarkSize(BaseModel):
    width: int | None = Field(None, ge=1)
    height: int | None = Field(None, ge=1)


class Watermark(BaseModel):
    url: str | None = None
    size: WatermarkSize | None = None
    position: Literal["left top", "right top", "left bottom", "right bottom"] = "left top"


class VideoConfig(BaseModel):
    codec: Literal["H264", "VP8", "VP9"] = "H264"
    width: int = Field(1280, ge=1, le=1920)
    height: int = Field(720, ge=1, le=1920)
    export_file: bool = True
    watermark: Watermark | None = None


class RecordingConfig(BaseModel):
    max_seconds: int = Field(86400, ge=60, le=86400)
    file_name_prefix: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]+$")
    audio_config: AudioConfig | None = None
    video_config: VideoConfig | None = None


class Transcription(BaseModel):
    language: str = "en-US"
    keywords: list[str] = []
    profanity_filter: bool = False


class Summarization(BaseModel):
    word_limit: int = Field(500, ge=150, le=1000)
    text_format: Literal["plain_text", "markdown"] = "markdown"
    summary_type: str = "general"


class AiConfig(BaseModel):
    transcription: Transcription | None = None
    summarization: Summarization | None = None


class MeetingIn(BaseModel):
    title: str | None = Field(None, max_length=256)
    record_on_start: bool = False
    live_stream_on_start: bool = False
    persist_chat: bool = False
    session_keep_alive_time_in_secs: int = Field(60, ge=60, le=600)
    summarize_on_end: bool = False
    transcribe_on_end: bool = False
    recording_config: RecordingConfig | None = None
    ai_config: AiConfig | None = None


class MeetingRow(BaseModel):
    id: str
    title: str | None
    status: Literal["ACTIVE", "INACTIVE"]
    created_at: datetime
    updated_at: datetime
    record_on_start: bool
    live_stream_on_start: bool
    persist_chat: bool
    session_keep_alive_time_in_secs: int
    summarize_on_end: bool
    transcribe_on_end: bool
    recording_config: RecordingConfig | None = None


class MeetingOut(MeetingRow):
    ai_config: AiConfig | None = None


class One(BaseModel):
    success: bool = True
    data: MeetingOut


class Paging(BaseModel):
    total_count: int
    start_offset: int
    end_offset: int


class Many(BaseModel):
    success: bool = True
    data: list[MeetingRow]
    paging: Paging


COLUMNS = (
    "id, title, status, created_at, updated_at, record_on_start, live_stream_on_start, persist_chat,"
    " session_keep_alive_s, summarize_on_end, transcribe_on_end, recording_config"
)
router = APIRouter(prefix="/client/v4/accounts/{account_id}/realtime/kit")


def connect(path: str) -> apsw.Connection:
    connection = apsw.Connection(path)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("foreign_keys", True)
    return connection


async def account(account_id: str, authorization: Annotated[str, Header()]) -> str:
    secret_hash = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    row = database.execute(
        "SELECT organization_id, kind, rights, expires_at, revoked_at FROM credentials WHERE secret_hash = ?",
        (secret_hash,),
    ).fetchone()
    if row is None or row[1] != "api_token" or row[4] is not None or (row[3] and row[3] < time.time() * 1000):
        raise HTTPException(401, "Unauthorized")
    if row[0] != account_id or "write" not in json.loads(row[2]):
        raise HTTPException(403, "Forbidden")
    return account_id


async def app_of(app_id: Uuid, account_id: Annotated[str, Depends(account)]) -> str:
    found = database.execute(
        "SELECT 1 FROM apps WHERE id = ? AND organization_id = ?", (app_id, account_id)
    ).fetchone()
    if found is None:
        raise HTTPException(404, "No such app")
    return app_id


def row_of(row: tuple[Any, ...]) -> MeetingRow:
    return MeetingRow(
        id=row[0],
        title=row[1],
        status=row[2],
        created_at=datetime.fromtimestamp(row[3] / 1000, UTC),
        updated_at=datetime.fromtimestamp(row[4] / 1000, UTC),
        record_on_start=bool(row[5]),
        live_stream_on_start=bool(row[6]),
        persist_chat=bool(row[7]),
        session_keep_alive_time_in_secs=row[8],
        summarize_on_end=bool(row[9]),
        transcribe_on_end=bool(row[10]),
        recording_config=RecordingConfig.model_validate_json(row[11]) if row[11] else None,
    )


async def create_meeting(app_id: Annotated[str, Depends(app_of)], body: MeetingIn) -> One:
    now = int(time.time() * 1000)
    recording, ai = body.recording_config, body.ai_config
    meeting_id = str(uuid.uuid4())
    database.execute(
        "INSERT INTO meetings (id, app_id, title, status, record_on_start, live_stream_on_start,"
        " persist_chat, session_keep_alive_s, summarize_on_end, transcribe_on_end, recording_config,"
        " ai_config, created_at, updated_at) VALUES (?, ?, ?, 'ACTIVE', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            meeting_id, app_id, body.title, body.record_on_start, body.live_stream_on_start,
            body.persist_chat, body.session_keep_alive_time_in_secs, body.summarize_on_end,
            body.transcribe_on_end,
            recording.model_dump_json(exclude_unset=True) if recording else None,
            ai.model_dump_json(exclude_unset=True) if ai else None, now, now,
        ),
    )  # fmt: skip
    at = datetime.fromtimestamp(now / 1000, UTC)
    return One(
        data=MeetingOut(id=meeting_id, status="ACTIVE", created_at=at, updated_at=at, **body.model_dump())
    )


async def list_meetings(
    app_id: Annotated[str, Depends(app_of)],
    page_no: Annotated[int, Query(ge=0)] = 1,
    per_page: Annotated[int, Query(ge=0, le=100)] = 25,
) -> Many:
    skip = (page_no - 1) * per_page
    rows = database.execute(
        f"SELECT {COLUMNS} FROM meetings WHERE app_id = ? AND parent_id IS NULL"
        " ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?",
        (app_id, per_page, skip),
    ).fetchall()
    total = database.execute(
        "SELECT count(*) FROM meetings WHERE app_id = ? AND parent_id IS NULL", (app_id,)
    ).fetchone()[0]
    paging = Paging(total_count=total, start_offset=skip + 1, end_offset=skip + len(rows))
    return Many(data=[row_of(row) for row in rows], paging=paging)


async def nothing() -> dict[str, Any]:
    return {}


def application(routes: list[tuple[str, str]]) -> FastAPI:
    for method, path in routes:
        if (method, path) == ("POST", "/{app_id}/meetings"):
            answer = {"status_code": 201, "response_model": One, "response_model_exclude_none": True}
            router.add_api_route(path, create_meeting, methods=[method], **answer)
        elif (method, path) == ("GET", "/{app_id}/meetings"):
            answer = {"response_model": Many, "response_model_exclude_none": True}
            router.add_api_route(path, list_meetings, methods=[method], **answer)
        else:
            router.add_api_route(path, nothing, methods=[method])
    app = FastAPI()
    app.include_router(router)
    return app


if __name__ == "__main__":
    database = connect(sys.argv[1])
    app = application(json.loads(FilePath(sys.argv[2]).read_text()))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="error", access_log=False, loop="uvloop", http="httptools")
    uvicorn.Server(config).run(sockets=[listener])
