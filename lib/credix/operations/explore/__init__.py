"""Files, tables and runs, as an analyst asks about them."""
