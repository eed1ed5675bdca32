"""Demo data for the embedded source, and time that passes in it."""

from credix_local.demo.simulate import simulate_days
from credix_local.demo.write import write_demo_data

__all__ = ["simulate_days", "write_demo_data"]
