"""The RealtimeKit dialect: REST for back ends (`api`), the protocol of browsers (`client`), webhooks."""
