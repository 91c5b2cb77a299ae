"""Messages that are not sent yet; only their authors see them."""
