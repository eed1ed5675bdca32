"""What the notebooks call: one module per notebook, under the same name."""
