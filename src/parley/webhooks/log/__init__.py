"""What became of events: attempts of deliveries, and the events of a webhook to catch up from."""
