"""Who has read and received which messages (`realtime-block.md` 8.2, 8.3, 12)."""

from parley.channels.realtime.receipts.service import Outcome, ReadBy, Receipts, Status

__all__ = ["Outcome", "ReadBy", "Receipts", "Status"]
