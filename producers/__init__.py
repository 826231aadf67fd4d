"""What puts messages on the broker: publisher, feeds, wake-ups, outbox relay, scheduler. Imports db and below."""
