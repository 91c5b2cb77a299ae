"""Tests of `parley.accounts`."""
