"""Tests of `parley.base`."""
