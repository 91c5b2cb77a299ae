"""The engines that apps can choose (`realtime-block.md` 16.4)."""

from __future__ import annotations

from collections import OrderedDict

from parley.base.errors import Invalid
from parley.conversations.settings import AiSettings
from parley.insight.engines.extractive import ExtractiveEngine
from parley.insight.engines.openai import OpenAiEngine
from parley.insight.ports import EngineRefused, TextEngine
from parley.outgoing.ports import Http

_REMEMBERED = 1_000


class ConfiguredEngines:
    """The offline engine, the operator's chat endpoint, and endpoints that apps name."""

    def __init__(
        self,
        http: Http,
        *,
        operator_http: Http | None = None,
        url: str | None = None,
        model: str | None = None,
        api_key: str = "",
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            http: goes where apps say, so never into inner networks.
            operator_http: goes to `url`; by default `http`.
            url: the operator's chat-completions endpoint, for apps that name none.
            model: of it.
            api_key: for `url` alone; no other address gets it.

        Raises:
            Invalid: the operator's endpoint cannot be one.
        """
        self._http = http
        self._operator_http = operator_http or http
        self._url = url
        self._model = model
        self._api_key = api_key
        self._offline = ExtractiveEngine()
        self._made: OrderedDict[AiSettings, OpenAiEngine] = OrderedDict()
        if url:
            try:
                self._chat(AiSettings(provider="http", model=model or "of the app"))
            except Invalid as wrong:
                option = {"api_key": "key"}.get(wrong.field or "url", wrong.field or "url")
                raise Invalid(f"--ai-{option}: {wrong.message}", field=f"ai_{option}") from wrong
        elif model or api_key:
            raise Invalid("A text engine's model and key need its address: --ai-url.", field="ai_url")

    def engine(self, settings: AiSettings) -> TextEngine:
        """See `Engines.engine`."""
        if settings.provider == "extractive":
            return self._offline
        found = self._made.get(settings)
        if found is None:
            found = self._made[settings] = self._chat(settings)
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return found

    def _chat(self, settings: AiSettings) -> OpenAiEngine:
        is_operators = settings.url is None or settings.url == self._url
        url, model = settings.url or self._url, settings.model or self._model
        if not url or not model:
            raise EngineRefused("The provider `http` needs an address and a model.", reached_provider=False)
        return OpenAiEngine(
            self._operator_http if is_operators else self._http,
            url=url,
            model=model,
            api_key=self._api_key if is_operators else "",
        )
