"""Durable state: one database (SQLite or PostgreSQL), its outbox, its jobs, and blobs.

Promises: a transaction that has been left is on disk; an event is announced if and only if the
transaction that wrote it committed. `Store.open` migrates and `Store.close` waits for running work.
"""
