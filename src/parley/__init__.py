"""Parley: self-hosted realtime communication and meeting intelligence.

Imports point downwards only: server, web → wire → domains → stream, store, bus → base
(`tests/test_imports.py` holds the table).
"""

from importlib.metadata import version

__version__ = version("parley")
