"""`parley keys`: API tokens of the account, keys of its apps, and tokens for their users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import click
import jwt
import uvloop

from parley.accounts import service as accounts
from parley.accounts.keys import app_of_environment, create_keys, named_signing_keys
from parley.accounts.model import App, Credential, CredentialKind, Environment, Right
from parley.accounts.scope import Scope
from parley.base.errors import NotFound
from parley.base.ids import AppId, CredentialId
from parley.base.paging import Order, PageRequest
from parley.base.settings import Settings
from parley.base.times import iso_ms, to_ms
from parley.channels.realtime.grants import Grant, check_grants, default_grants
from parley.channels.realtime.tokens import DEFAULT_TTL, ConnectionTokens
from parley.meetings import apps
from parley.server.app import open_store
from parley.server.logs import configure_logs
from parley.server.options import STORE_OPTIONS, print_json, setting_options
from parley.server.serve import public_url

T = TypeVar("T")
APP_NAME = "Real Time Block"
"""Of the app that is made for keys when none is named."""
ADDRESS_OPTIONS = ("public_url", "host", "port", "tls")


def _run(options: dict[str, Any], work: Callable[[Scope], Awaitable[T]]) -> T:
    """Work on the data of a server, running or not."""

    async def opened() -> T:
        store = await open_store(Settings(**options))
        try:
            scope, _ = await accounts.ensure_organization(store)
            return await work(scope)
        finally:
            await store.database.close()

    configure_logs("error", as_json=False)
    return uvloop.run(opened())


def _shown(credential: Credential) -> dict[str, Any]:
    return {
        "id": credential.id,
        "account_id": credential.organization_id,
        "app_id": credential.app_id,
        "kind": credential.kind.value,
        "environment": credential.environment,
        "name": credential.name,
        "rights": [right.value for right in credential.rights],
        "created_at": iso_ms(credential.created_at),
        "revoked_at": iso_ms(credential.revoked_at) if credential.revoked_at else None,
    }


async def _app(scope: Scope, app_id: str | None) -> App:
    """The app that was named, or the one made for keys."""
    if app_id is not None:
        return await accounts.get_app(scope, AppId(app_id))
    found = await accounts.list_apps(scope, APP_NAME, Order.ASC, PageRequest(1, 100))
    for app in found.rows:
        if app.name == APP_NAME:
            return app
    return await apps.create_app(scope, APP_NAME)


@click.group("keys")
def keys_group() -> None:
    """API tokens and app keys: create, list, revoke; tokens for users."""


@keys_group.command("create")
@setting_options(*STORE_OPTIONS, *ADDRESS_OPTIONS)
@click.option(
    "--dialect",
    type=click.Choice(["realtimekit", "block"]),
    default="realtimekit",
    show_default=True,
    help="An API token of the account (realtimekit), or a pair of keys of an app (block).",
)
@click.option("--app", "app_id", help="The app the keys are for; by default one that is made for it.")
@click.option(
    "--environment",
    type=click.Choice([environment.value for environment in Environment]),
    default=Environment.LIVE.value,
    show_default=True,
    help="Whose data the keys open (block).",
)
@click.option("--name", default="command line", show_default=True, help="What it is for.")
@click.option("--read-only", is_flag=True, help="May not change anything (realtimekit).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def create_key(
    dialect: str,
    app_id: str | None,
    environment: str,
    name: str,
    read_only: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Create an API token or a pair of keys; secrets are shown only now."""
    if dialect == "block":
        _create_pair(app_id, Environment(environment), as_json, options)
        return

    async def work(scope: Scope) -> tuple[Credential, str]:
        rights = frozenset({Right.READ}) if read_only else frozenset(Right)
        return await accounts.create_credential(scope, CredentialKind.API_TOKEN, name, rights=rights)

    credential, secret = _run(options, work)
    if as_json:
        print_json({**_shown(credential), "token": secret})
    else:
        click.echo(f"Account id  {credential.organization_id}\nAPI token   {secret}")


def _create_pair(
    app_id: str | None, environment: Environment, as_json: bool, options: dict[str, Any]
) -> None:
    async def work(scope: Scope) -> dict[str, Any]:
        app = await _app(scope, app_id)
        made = await create_keys(scope, app.id, environment)
        return {
            "app_id": app.id,
            "app_name": app.name,
            "environment": environment.value,
            "publishable_key": made.publishable,
            "secret_key": made.secret,
        }

    made = _run(options, work) | _addresses(options)
    if as_json:
        print_json(made)
        return
    for label, member in (
        ("App", "app_id"),
        ("Publishable key", "publishable_key"),
        ("Secret key", "secret_key"),
        ("API", "url"),
        ("Sockets", "websocket_url"),
    ):
        click.echo(f"{label:<16}{made[member]}")


def _addresses(options: dict[str, Any]) -> dict[str, str]:
    settings = Settings(**options)
    url = public_url(settings, settings.port)
    return {"url": url, "websocket_url": f"{url.replace('http', 'ws', 1)}/v1/realtime/ws"}


@keys_group.command("token")
@setting_options(*STORE_OPTIONS, *ADDRESS_OPTIONS)
@click.option("--user", "user_id", required=True, help="Who will act.")
@click.option("--user-name", help="How the user is called.")
@click.option("--channels", help="Patterns, separated by commas; by default those of any user.")
@click.option("--app", "app_id", help="The app; by default the one that `keys create` makes.")
@click.option(
    "--environment",
    type=click.Choice([environment.value for environment in Environment]),
    default=Environment.LIVE.value,
    show_default=True,
    help="Whose data the tokens open.",
)
@click.option("--ttl", default=int(DEFAULT_TTL.total_seconds()), show_default=True, help="Seconds it holds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def make_tokens(
    user_id: str,
    user_name: str | None,
    channels: str | None,
    app_id: str | None,
    environment: str,
    ttl: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a user token (REST) and a connection token (sockets) for a user of an app."""

    async def work(scope: Scope) -> dict[str, Any]:
        live = await _app(scope, app_id)
        app = await app_of_environment(scope, live.id, Environment(environment))
        keys = await named_signing_keys(scope.app(app.id))
        if not keys:
            raise NotFound("This app has no keys yet; run `parley keys create --dialect block` first.")
        key_id, key = next(iter(keys.items()))
        now = to_ms(scope.store.clock.now()) // 1000
        claims: dict[str, Any] = {"sub": user_id, "iat": now, "exp": now + ttl}
        if user_name:
            claims["name"] = user_name
        patterns = [Grant(pattern) for pattern in channels.split(",")] if channels else None
        grants = patterns or default_grants(user_id)
        check_grants(grants)
        tokens = await ConnectionTokens.of_store(scope.store)
        connection, _ = tokens.issue(
            app.id,
            environment,
            user_id,
            grants,
            ttl=timedelta(seconds=ttl),
            info={"name": user_name} if user_name else None,
            keys=[key_id],
        )
        return {
            "app_id": live.id,
            "environment": environment,
            "user_id": user_id,
            "user_token": jwt.encode(claims, key, "HS256"),
            "connection_token": connection,
            "expires_in": ttl,
        }

    made = _run(options, work) | _addresses(options)
    if as_json:
        print_json(made)
    else:
        click.echo(f"User token        {made['user_token']}\nConnection token  {made['connection_token']}")


@keys_group.command("list")
@setting_options(*STORE_OPTIONS)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def list_keys(as_json: bool, **options: Any) -> None:
    """List tokens and keys; their secrets are not shown."""
    found = _run(options, accounts.list_credentials)
    if as_json:
        print_json([_shown(credential) for credential in found])
        return
    for credential in found:
        state = "revoked" if credential.revoked_at else "active "
        kind = f"{credential.kind.value} {credential.environment}"
        click.echo(
            f"{credential.id}  {state}  {iso_ms(credential.created_at)}  {kind:<21}  {credential.name}"
        )


@keys_group.command("revoke")
@setting_options(*STORE_OPTIONS)
@click.argument("key_id")
def revoke_key(key_id: str, **options: Any) -> None:
    """Stop a token or key from working."""
    _run(options, lambda scope: accounts.revoke_credential(scope, CredentialId(key_id)))
    click.echo("Revoked.")
