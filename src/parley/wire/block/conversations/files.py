"""Files of conversations (`realtime-block.md` 18.11); their content is in `file_content.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.base.errors import Invalid
from parley.base.times import iso_ms
from parley.conversations.files.model import MessageFile, NewFile
from parley.conversations.files.service import MessageFiles
from parley.conversations.reading.service import Opened
from parley.wire.block.callers import caller_of, path_text
from parley.wire.block.conversations.file_content import chunks
from parley.wire.block.endpoint import BODY_LIMITBYTES, Call, Routes
from parley.wire.block.fields import Link, small
from parley.wire.block.multipart import Form, is_form
from parley.wire.block.reading import read_body
from parley.wire.block.replies import NOTHING, Reply, Resource

routes = Routes("Message files")
READ, WRITE = "conversations:read", "conversations:write"
INCLUDED = 100
"""Files in the document of a conversation."""
Name = Annotated[str, Meta(min_length=1, max_length=1_000)]
Size = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
Type = Annotated[str, Meta(max_length=255)]


class FileBody(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it is created."""

    name: Name
    content_type: Type | None = None
    size: Size | None = None
    url: Link | None = None
    message_unique_id: str | None = None
    payload: dict[str, Any] | None = None


class PresignBody(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is to be uploaded."""

    filename: Name
    content_type: Type | None = None
    size: Size | None = None


@routes.post("/conversations/{conversation_id}/files", scope=WRITE)
async def create_file(call: Call, conversation_id: str) -> Reply:
    """Add a file to a conversation: one that was uploaded, an address, or (multipart) the file itself."""
    asks, conversation_id = caller_of(call), path_text(conversation_id)
    service = call.service(MessageFiles)
    content_type = call.request.header(b"content-type")
    if not is_form(content_type):
        body = read_body(await call.request.body(BODY_LIMITBYTES), FileBody, "message_file")
        small(body.payload)
        new = NewFile(**msgspec.structs.asdict(body))
        return _one(call, await service.create(call.scope, asks, conversation_id, new))
    form = Form(content_type, chunks(call.request.receive))
    part = await form.file()

    async def rest() -> NewFile:
        fields = await form.fields()
        return NewFile(
            name=fields.get("name") or part.name,
            message_unique_id=fields.get("message_unique_id") or None,
            payload=small(_payload(fields.get("payload"))),
        )

    return _one(
        call,
        await service.upload(
            call.scope, asks, conversation_id, part.name, part.content_type, part.chunks, rest
        ),
    )


@routes.put("/conversations/{conversation_id}/presign", scope=WRITE, body="file")
async def presign(call: Call, conversation_id: str, body: PresignBody) -> Reply:
    """Get a link to upload a file to, once, within 15 minutes; then create the file with its `file_url`."""
    asks = caller_of(call)
    place = await call.service(MessageFiles).presign(
        call.scope, asks, path_text(conversation_id), body.filename, body.content_type, body.size
    )
    told = {
        "upload_url": place.upload_url,
        "file_url": place.file_url,
        "fields": {},
        "expires_at": iso_ms(place.expires_at),
    }
    return Reply({"data": {"id": place.file_id, "type": "Presign", "attributes": told, **told}})


@routes.get("/conversations/{conversation_id}/files/{file_id}", scope=READ)
async def get_file(call: Call, conversation_id: str, file_id: str) -> Reply:
    """Get a file; its `url` works for 7 days."""
    asks = caller_of(call)
    service = call.service(MessageFiles)
    return _one(call, await service.get(call.scope, asks, path_text(conversation_id), file_id))


@routes.delete("/conversations/{conversation_id}/files/{file_id}", scope=WRITE)
async def delete_file(call: Call, conversation_id: str, file_id: str) -> Reply:
    """Remove a file and its content."""
    asks = caller_of(call)
    await call.service(MessageFiles).delete(call.scope, asks, path_text(conversation_id), file_id)
    return NOTHING


async def included_files(call: Call, opened: Opened) -> Sequence[Resource]:
    """The files of a conversation's messages, for its document."""
    service = call.service(MessageFiles)
    ids = [message.id for message in opened.messages.rows]
    found = await service.of_opened(call.scope, opened.conversation.id, ids, INCLUDED)
    return [file_resource(file, service.url(file)) for file in found]


def file_entry(resource: Resource) -> dict[str, Any]:
    """A `MessageFile` as `with=files` lists it: clients pass these names on unchanged."""
    attributes = resource.attributes
    return {
        "uniqueId": attributes["unique_id"],
        "name": attributes["name"],
        "url": attributes["url"],
        "type": attributes["content_type"],
        "size": attributes["size"],
    }


def file_resource(file: MessageFile, url: str) -> Resource:
    """A file as JSON:API."""
    return Resource(
        file.id,
        "MessageFile",
        {
            "unique_id": file.id,
            "conversation_unique_id": file.conversation_unique_id,
            "message_unique_id": file.message_unique_id,
            "name": file.name,
            "original_name": file.original_name,
            "content_type": file.content_type,
            "size": file.size,
            "url": url,
            "thumbnail_url": file.thumbnail_url,
            "status": file.status,
            "payload": file.payload,
            "created_at": iso_ms(file.created_at),
            "updated_at": iso_ms(file.updated_at),
        },
    )


def _one(call: Call, file: MessageFile) -> Reply:
    return Reply({"data": file_resource(file, call.service(MessageFiles).url(file))})


def _payload(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise Invalid("The payload must be a JSON object.", field="/message_file/payload") from error
