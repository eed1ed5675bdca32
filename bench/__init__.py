"""Measures and models of the product; nothing in here is part of it."""
