"""Alerts and lineage events after a run."""
