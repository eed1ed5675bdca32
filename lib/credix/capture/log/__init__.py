"""Capture by the server's log: changed keys from a replication slot."""
