"""Table definitions and their ordered migrations."""

from parley.store.schema.migrate import MigrationFailed, SchemaTooNew, migrate, pending_migrations

__all__ = ["MigrationFailed", "SchemaTooNew", "migrate", "pending_migrations"]
