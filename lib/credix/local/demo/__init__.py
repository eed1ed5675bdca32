"""Demo data for the embedded source, and time that passes in it."""

from credix.local.demo.simulate import simulate_days
from credix.local.demo.write import write_demo_data

__all__ = ["simulate_days", "write_demo_data"]
