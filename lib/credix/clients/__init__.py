"""The only rooms that talk to something outside."""
