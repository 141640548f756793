"""Back Market's HTTP API: one client that every request goes through, and tolerant models of what it answers."""
