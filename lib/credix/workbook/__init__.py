"""The thin helper that the notebooks share: one module per notebook."""
