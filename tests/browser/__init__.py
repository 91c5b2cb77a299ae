"""The official clients in real Chromium against a real server: `python -m tests.netns pytest tests/browser`."""
