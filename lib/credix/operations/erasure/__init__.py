"""Rows of a person or company erased everywhere."""
