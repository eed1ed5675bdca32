"""BigQuery on loopback: bqemulator, started by us and held to BigQuery's own rules.

Every `repairs_*` module names the behaviour of BigQuery that it restores; each has a test. They
patch the exact version that `pyproject.toml` pins: raise the pin together with this package.
"""
