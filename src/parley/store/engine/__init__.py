"""Drivers: SQLite and PostgreSQL behind `store.ports.Database`."""
