"""What people have to do, as they or a summary's action items say (`realtime-block.md` 18.16)."""
