"""What an app decides for itself (`realtime-block.md` 16.4)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from parley.accounts.app_settings import AppSettings, read, write
from parley.accounts.exclusion import SECTION as EXCLUSION
from parley.accounts.exclusion import ExclusionSettings, check_users
from parley.accounts.plans import Plan, PlanSettings
from parley.accounts.user_tokens import IdentitySettings
from parley.base.errors import Invalid
from parley.channels.realtime.grants import Grant, check_grants
from parley.channels.realtime.settings import SECTION as CHANNELS
from parley.channels.realtime.settings import ChannelSettings
from parley.conversations.settings import AI, DIGEST, PROMPTS, AiSettings, DigestSettings, PromptSettings
from parley.outgoing.http import NOT_PUBLIC, OutgoingPolicy
from parley.webhooks.endpoints import Endpoints
from parley.wire.block.endpoint import BODY_LIMITBYTES, Call, Routes
from parley.wire.block.origins import SECTION as ORIGINS
from parley.wire.block.origins import OriginSettings, check_origins
from parley.wire.block.reading import members_of, read_members
from parley.wire.block.replies import Reply, one

routes = Routes("Settings")
PLAN, IDENTITY = "plan", "identity"
SECTIONS: dict[str, type[msgspec.Struct]] = {
    PLAN: PlanSettings,
    IDENTITY: IdentitySettings,
    CHANNELS: ChannelSettings,
    ORIGINS: OriginSettings,
    EXCLUSION: ExclusionSettings,
    DIGEST: DigestSettings,
    PROMPTS: PromptSettings,
    AI: AiSettings,
}
FLAT = (IDENTITY, CHANNELS, ORIGINS, EXCLUSION)
"""Sections whose members stand by themselves."""
NAMESPACES_LIMIT, LARGEST_LIMIT, URL_LIMIT = 100, 1_000_000_000, 2_000
_FIRST_WORD = re.compile(r"[A-Za-z0-9_\-=@.,;]{1,100}", re.ASCII)


@routes.get("/v1/realtime/settings", access="server")
async def get_settings(call: Call) -> Reply:
    """Get every setting of the app, in the environment of the key."""
    return await _shown(call)


@routes.put("/v1/realtime/settings", access="server")
async def change_settings(call: Call) -> Reply:
    """Change settings: what is not named stays; a plan replaces the one before with all its own limits."""
    members, pointer = members_of(await call.request.body(BODY_LIMITBYTES))
    changed: dict[str, msgspec.Struct] = {}
    for section, shape in SECTIONS.items():
        below = pointer if section in FLAT else f"{pointer}/{section}"
        given = _given(members, section, below)
        if given:
            before = {} if section == PLAN else msgspec.to_builtins(await read(call.scope, section, shape))
            value = read_members({**before, **given}, shape, below)
            _check(value, given, below, call.service(Endpoints).policy)
            changed[section] = value
    if changed:
        async with call.scope.change() as change:
            for section, value in changed.items():
                await write(change, section, value)
        call.service(AppSettings).forget(call.scope.app_id)
    return await _shown(call)


async def _shown(call: Call) -> Reply:
    attributes: dict[str, Any] = {}
    for section, shape in SECTIONS.items():
        value = await read(call.scope, section, shape)
        if section in FLAT:
            attributes |= msgspec.structs.asdict(value)
        elif isinstance(value, PlanSettings):
            attributes |= {PLAN: value.plan, "limits": value.effective()}
        else:
            attributes[section] = value
    return one("settings", call.app.public_id, attributes)


def _given(members: dict[str, Any], section: str, pointer: str) -> dict[str, Any]:
    """What a section is to become."""
    if section in FLAT:
        names = SECTIONS[section].__struct_fields__
        return {name: members[name] for name in names if name in members}
    given = members.get(section, {})
    if section == PLAN and isinstance(given, str):
        return {PLAN: given}
    if not isinstance(given, dict):
        raise Invalid("This must be an object.", field=pointer)
    return given


def _check(value: msgspec.Struct, given: dict[str, Any], pointer: str, policy: OutgoingPolicy) -> None:
    """Refuse what has the right type and makes no sense; what is stored already is not looked at again.

    Raises:
        Invalid: names the member.
    """
    for name in given.keys() & set(value.__struct_fields__):
        found, field = getattr(value, name), f"{pointer}/{name}"
        if found is None:
            continue
        if name in Plan.__struct_fields__ and not 1 <= found <= LARGEST_LIMIT:
            raise Invalid("A limit is positive; null lifts it.", field=field)
        if name in ("channel_auth_url", "jwks_url", "url"):
            _check_url(found, field, policy)
        elif name in ("client_grants", "default_grants"):
            _check_patterns(found, field)
        elif name == "namespaces":
            _check_namespaces(found, field)
        elif name == "allowed_origins":
            check_origins(found, field)
        elif name == "banned_users":
            check_users(found, field)


def _check_url(url: str, field: str, policy: OutgoingPolicy) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:  # such as an unclosed bracket, or a port that is none
        host = None
    if not host or len(url) > URL_LIMIT:
        raise Invalid("This is not an address of a server (http or https).", field=field)
    if not policy.allows_host(host):
        raise Invalid(NOT_PUBLIC, field=field)


def _check_patterns(patterns: list[str], field: str) -> None:
    try:
        check_grants([Grant(pattern.replace("{user_id}", "user")) for pattern in patterns])
    except Invalid as wrong:
        number = (wrong.field or "").partition(".")[2]
        raise Invalid(wrong.message, field=f"{field}/{number}" if number else field) from wrong


def _check_namespaces(namespaces: dict[str, Any], field: str) -> None:
    if len(namespaces) > NAMESPACES_LIMIT:
        raise Invalid(f"There are at most {NAMESPACES_LIMIT} namespaces.", field=field)
    for word in namespaces:
        if not _FIRST_WORD.fullmatch(word):
            raise Invalid("A namespace is the first word of channels' names.", field=field)
