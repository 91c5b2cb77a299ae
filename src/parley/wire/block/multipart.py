"""Bodies of type `multipart/form-data` (RFC 7578) with one file, read as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from parley.base.errors import Invalid, TooLarge
from parley.base.text import storable
from parley.wire.block.errors import BadRequest

FILE_FIELDS = frozenset({"file", "message_file[file]"})
FIELDS_LIMIT_BYTES = 64 << 10
"""Of all fields that are not the file."""
PARTS_LIMIT = 32


@dataclass(frozen=True, slots=True)
class FilePart:
    """The file of a form."""

    name: str
    content_type: str | None
    chunks: AsyncIterator[bytes]
    """Its content; to be read to the end before the rest of the form."""


class Form:
    """A form: first its file, then its fields, wherever they stand."""

    def __init__(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        """Prepare to read.

        Args:
            content_type: the request's header.
            chunks: the body.

        Raises:
            BadRequest: not a form, or without a boundary.
        """
        kind, options = parse_options_header(content_type)
        if not is_form(content_type) or not options.get("boundary"):
            raise BadRequest(f"The body is no form: {kind[:100]}.")
        try:
            self._parser = PushMultipartParser(options["boundary"], max_segment_count=PARTS_LIMIT)
        except (MultipartError, UnicodeEncodeError) as error:
            raise BadRequest("The form's boundary is not well formed.") from error
        self._events = self._read(chunks)
        self._fields: dict[str, str] = {}
        self._size = 0

    async def file(self) -> FilePart:
        """The file.

        Raises:
            Invalid: there is none.
            BadRequest: the form is broken.
        """
        async for event in self._events:
            if not isinstance(event, MultipartSegment):
                continue
            if event.name in FILE_FIELDS and event.filename is not None:
                return FilePart(event.filename, event.content_type, self._content())
            await self._field(event)
        raise Invalid("The form has no file; its field is called `file`.", field="/file")

    async def fields(self) -> dict[str, str]:
        """All fields beside the file, `message_file[name]` as `name`.

        Raises:
            BadRequest: the form is broken.
            TooLarge: they are longer than `FIELDS_LIMIT_BYTES` together.
        """
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                await self._field(event)
        return self._fields

    async def _field(self, segment: MultipartSegment) -> None:
        parts: list[bytes] = []
        async for event in self._events:
            if event is None:
                break
            self._size += len(event)
            if self._size > FIELDS_LIMIT_BYTES:
                raise TooLarge("The fields of the form are too long.")
            parts.append(bytes(event))
        name = segment.name.removeprefix("message_file[").removesuffix("]")
        try:
            value = b"".join(parts).decode()
        except UnicodeDecodeError as error:
            raise BadRequest("The fields of the form are not UTF-8.") from error
        if not storable(value):
            raise Invalid("A text must not contain U+0000.", field=f"/{name}")
        self._fields[name] = value

    async def _content(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            if event is None:
                return
            yield bytes(event)

    async def _read(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                for event in self._parser.parse(chunk):
                    yield event
            self._parser.close()
        except MultipartError as broken:
            raise BadRequest("The form is not well formed.") from broken


def is_form(content_type: str) -> bool:
    """Whether a request's body is a form with files."""
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"
