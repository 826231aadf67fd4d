"""What takes messages off the broker and makes them true. Imports producers and below."""
