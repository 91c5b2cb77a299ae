"""Any endpoint that speaks the chat-completions API (OpenAI's, vLLM, llama.cpp, Ollama, LiteLLM, …).

The answer's shape is asked for by `response_format` with a JSON schema; a server that says it does not know
that is asked with `json_object`, then without, and the engine remembers what worked. Neither a temperature
nor a limit of tokens is sent: models differ in what they accept, time and size are bounded here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from parley.base.errors import Invalid
from parley.insight.ports import (
    TIMEOUT_S,
    Capabilities,
    Completion,
    EngineError,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
    Prompt,
)
from parley.outgoing.ports import AddressRefused, Answer, Http, OutgoingError

MAX_ANSWER_BYTES = 512 * 1024
"""Of the HTTP body; a summary has some thousands."""
DEFAULT_RETRY_AFTER_S = 60.0
MAX_RETRY_AFTER_S = 3_600.0
MAX_DETAIL_CHARS = 300
_PATH = "/chat/completions"
_CORRECTION = (
    "That answer could not be used: {problem}. Answer again with one JSON object of the described shape and "
    "nothing else."
)

Format = Literal["json_schema", "json_object", "text"]
FORMATS: Final[tuple[Format, ...]] = ("json_schema", "json_object", "text")
"""Ways to ask for the shape of an answer, the strictest first."""
_FORMAT_WORDS = ("response_format", "json_schema", "json_object", "structured output", "guided", "grammar")
"""One of these stands in the error of a server that cannot do what was asked for."""


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Usage(msgspec.Struct):
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    """What we need of a chat completion."""

    choices: list[_Choice]
    usage: _Usage | None = None


class OpenAiEngine:
    """A chat-completions endpoint; safe to use from several tasks at once.

    `http` decides where it may go: an engine of the operator's settings gets a client that may reach inner
    networks, one that a tenant configured a client that may not. It is closed by whoever made it.
    """

    capabilities = Capabilities(structured_output=True, is_model=True)

    def __init__(
        self,
        http: Http,
        *,
        url: str,
        model: str,
        api_key: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            http: outgoing HTTP.
            url: the API's base (`https://api.openai.com/v1`), or the whole address ending in
                `/chat/completions`.
            model: as the server calls it.
            api_key: sent as bearer token; none when empty.
            timeout_s: of one `complete`.

        Raises:
            Invalid: not an http or https URL, no model, or a key that no header can hold.
        """
        self._url = _endpoint(url)
        if not model.strip():
            raise Invalid("a model has to be named", field="model")
        if not (api_key.isascii() and api_key.isprintable()):
            raise Invalid("the API key has characters that no header can hold", field="api_key")
        self._http = http
        self._model = model.strip()
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout_s = timeout_s
        self._format: Format = FORMATS[0]

    def __repr__(self) -> str:
        return f"OpenAiEngine(url={self._url!r}, model={self._model!r})"

    @property
    def name(self) -> str:
        """`openai:` and the model."""
        return f"openai:{self._model}"

    async def register(self, user_id: str) -> None:
        """Nothing to do: these endpoints know no users, and are not told of ours."""

    async def complete(self, prompt: Prompt) -> Completion:
        """See `TextEngine.complete`; asking in several formats shares one time limit.

        Raises:
            EngineUnavailable: no answer in time, a server error, or an answer that is no chat completion.
            EngineRateLimited: status 429.
            EngineRefused: key, model or address are wrong, the quota is used up, or the policy of outgoing
                HTTP forbids the address.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        while True:
            asked = self._format
            answer = await self._post(prompt, asked, deadline - asyncio.get_running_loop().time())
            if _refuses_format(answer, asked):
                self._format = max(self._format, FORMATS[FORMATS.index(asked) + 1], key=FORMATS.index)
                continue
            if answer.status != 200:
                raise _failure(answer)
            return _completion(answer)

    async def _post(self, prompt: Prompt, asked: Format, timeout_s: float) -> Answer:
        body = json.dumps(self._body(prompt, asked), ensure_ascii=False).encode("utf-8", "replace")
        try:
            return await self._http.request(
                "POST",
                self._url,
                headers=self._headers,
                body=body,
                timeout_s=max(0.001, timeout_s),
                max_body_bytes=MAX_ANSWER_BYTES,
            )
        except AddressRefused as refused:
            raise EngineRefused(
                "the address of the engine is not allowed", reached_provider=False, detail=refused.message
            ) from refused
        except OutgoingError as failed:
            raise EngineUnavailable(
                "the engine did not answer", reached_provider=failed.may_have_arrived, detail=failed.message
            ) from failed

    def _body(self, prompt: Prompt, asked: Format) -> dict[str, Any]:
        messages = [
            {"role": "system", "content": prompt.instructions},
            {"role": "user", "content": prompt.text},
        ]
        for correction in prompt.corrections:
            messages.append({"role": "assistant", "content": correction.answer or "(no answer)"})
            messages.append({"role": "user", "content": _CORRECTION.format(problem=correction.problem)})
        body: dict[str, Any] = {"model": self._model, "messages": messages, "stream": False}
        if asked == "json_schema":
            schema = {"name": prompt.id.replace("-", "_"), "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif asked == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body


def _endpoint(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
    except ValueError as wrong:
        raise Invalid(f"not a usable URL: {wrong}", field="url") from wrong
    if parts.scheme not in ("http", "https") or not host:
        raise Invalid("the engine's URL starts with http:// or https:// and names a host", field="url")
    path = parts.path.rstrip("/")
    return parts._replace(path=path if path.endswith(_PATH) else path + _PATH, fragment="").geturl()


def _refuses_format(answer: Answer, asked: Format) -> bool:
    if asked == FORMATS[-1] or answer.status not in (400, 404, 415, 422, 501):
        return False
    text = answer.body[:10_000].decode("utf-8", "replace").casefold()
    return any(word in text for word in _FORMAT_WORDS)


def _completion(answer: Answer) -> Completion:
    if not answer.is_complete:
        raise EngineUnavailable("the answer is too long or came too late", reached_provider=True)
    try:
        found = msgspec.json.decode(answer.body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise EngineUnavailable(
            "what answered does not speak the chat-completions API",
            reached_provider=True,
            detail=str(wrong)[:MAX_DETAIL_CHARS],
        ) from wrong
    text = (found.choices[0].message.content or "") if found.choices else ""
    used = found.usage.total_tokens if found.usage else None
    return Completion(text, max(0, used or 0))


def _failure(answer: Answer) -> EngineError:
    status, detail = answer.status, _told(answer)
    if status == 429 and "insufficient_quota" not in detail:
        after = _retry_after(answer.headers)
        return EngineRateLimited("the engine wants fewer requests", retry_after_s=after, detail=detail)
    if status >= 500 or status in (408, 409, 425):
        return EngineUnavailable(f"the engine answered {status}", reached_provider=True, detail=detail)
    return EngineRefused(f"the engine refused with status {status}", reached_provider=True, detail=detail)


def _told(answer: Answer) -> str:
    """What the server says about its error, in one line; never anything of our request."""
    text = answer.body[: MAX_DETAIL_CHARS * 4].decode("utf-8", "replace")
    return f"{answer.status}: {' '.join(text.split())}"[:MAX_DETAIL_CHARS]


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds of `Retry-After` (RFC 9110 section 10.2.3: a number or a date), bounded."""
    given = headers.get("Retry-After", "").strip()
    seconds = DEFAULT_RETRY_AFTER_S
    if given.isascii() and given.isdigit():
        seconds = float(given[:9])
    elif given:
        try:
            date = parsedate_to_datetime(given)
        except (ValueError, OverflowError):
            return DEFAULT_RETRY_AFTER_S
        aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        seconds = (aware - datetime.now(UTC)).total_seconds()
    return min(MAX_RETRY_AFTER_S, max(1.0, seconds))
