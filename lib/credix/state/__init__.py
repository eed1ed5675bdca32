"""What is committed, and which run works on it."""
