"""How an upload fails, in words for the customer: what is wrong, and where."""

from __future__ import annotations

from parley.base.errors import ParleyError, Retry


class StorageError(ParleyError):
    """A file could not be brought into a customer's storage; it is not there under its final name."""

    code = "storage_failed"


class RetryLater(StorageError):
    """The storage is away, busy, full or broke off: the same upload may succeed another time."""

    code = "storage_unavailable"
    retry = Retry.after(60)


class Hopeless(StorageError):
    """Nothing changes until somebody changes the configuration: wrong keys, no such bucket, no permission."""

    code = "storage_refused"
