"""Composition: settings become objects, objects become processes; the command line.

The only package that names concrete engines (SQLite, PostgreSQL, Redis, Janus, coturn).
"""

from parley.server.lean import without

# structlog loads rich (3 MB) for tracebacks that show local variables, which must not get into a log at all.
with without("rich"):
    import structlog as structlog
