"""The dialects: what clients of each say over HTTP and sockets, translated into use cases of the domains.

`asgi` is what their REST routes have in common; everything else belongs to one dialect.
"""
