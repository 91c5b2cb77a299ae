"""Organizations, their apps, and the credentials that act for them.

Promises: a credential's secret is stored only as a hash; a revoked or expired one stops working at the next
use, and whoever holds a socket open by it is told through `accounts.credential_revoked`.
"""
