"""What the notebooks import: one module per notebook, and `show`.

A function does one part of its step, shows what it did, and returns what the next cell needs.
"""
