"""Composition: settings become objects, objects become processes; the command line.

The only package that names concrete engines (SQLite, PostgreSQL, Redis, Janus, coturn).
"""
