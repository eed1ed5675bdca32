"""Archived files merged again."""
