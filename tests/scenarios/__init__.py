"""Whole stories, on one server and on two."""
