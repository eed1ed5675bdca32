"""01: which rows changed, as Parquet files."""
