"""Parquet files loaded into the source tables."""
