"""What processes tell each other: messages on topics, leases, and facts that expire.

`ports.Bus` is the contract; `memory.MemoryBus` serves one process, `redis.RedisBus` several. Subscribers of
the same process always get each other's messages, whatever Redis does: losing it stops fan-out between
processes and the taking of leases, and ends nothing else.

A message on the bus is a hint, not a record: it may be lost when Redis is away or a process is too slow. Then
the subscription's `on_gap` is called, and whoever needs every message reads what is missing from the store.

Shutdown: `await bus.close()` delivers nothing more, ends the connection and its task, and leaves leases to
expire.

`RedisBus` is imported from its module, by servers that have Redis: redis-py takes 6 MB.
"""

from parley.bus.memory import MemoryBus
from parley.bus.ports import Bus, Lease, Subscription

__all__ = ["Bus", "Lease", "MemoryBus", "Subscription"]
