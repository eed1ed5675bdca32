"""Reads of whole tables by several connections."""
