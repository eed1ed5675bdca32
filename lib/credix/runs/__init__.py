"""One run as a whole: its jobs, notebooks, manifest and archive."""
