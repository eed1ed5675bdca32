"""One run of a job, from the locks to the archive."""
