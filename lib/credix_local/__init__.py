"""The embedded stack: PostgreSQL, Google Cloud Storage and BigQuery as servers on loopback."""
