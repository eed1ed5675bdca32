"""Google Cloud Storage: objects with generations."""
