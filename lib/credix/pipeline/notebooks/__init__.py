"""Notebooks executed by papermill: kernels, pages, failures."""
