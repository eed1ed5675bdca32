"""Replicate every change from PostgreSQL to a risk score in BigQuery."""

__version__ = "0.1.0"
