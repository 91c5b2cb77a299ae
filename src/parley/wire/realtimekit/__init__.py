"""The RealtimeKit dialect: REST for back ends (`api`), the client protocol for browsers (`client`), webhooks."""
