"""Tenants for tests."""

from __future__ import annotations

from parley.accounts import service as accounts
from parley.accounts.scope import AppScope, Scope


async def add_app(scope: Scope, name: str) -> AppScope:
    """One more app of an organization, seen by the same caller."""
    async with scope.change() as change:
        app = await accounts.add_app(change, name)
    return scope.app(app.id)
