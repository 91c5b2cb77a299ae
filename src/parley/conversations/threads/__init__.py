"""Conversations, their members, and what these have not read."""
