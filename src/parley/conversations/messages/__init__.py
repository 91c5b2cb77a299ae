"""Messages of conversations, what is read of them, and the actions on them."""
