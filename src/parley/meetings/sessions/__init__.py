"""Meetings and their sessions, for those who record or stream them: `store` has all there is."""
