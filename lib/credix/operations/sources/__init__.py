"""Sources added and extended."""
