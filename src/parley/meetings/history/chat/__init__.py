"""The chat that ended sessions leave behind: written once, handed out, and removed when its time is over."""
