"""The commands of `run_pipeline.py`: parse, call, print."""
