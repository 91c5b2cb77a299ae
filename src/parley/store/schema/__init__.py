"""Table definitions and their ordered migrations."""

from parley.store.schema.migrate import migrate, pending_migrations

__all__ = ["migrate", "pending_migrations"]
