"""What is unread for whom, and who has read what (`realtime-block.md` 16.5)."""
