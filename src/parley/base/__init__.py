"""Words every package shares; imports nothing of ours."""
