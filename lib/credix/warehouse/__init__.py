"""02 to 04: landing folder, temp layer, bronze, watermark, silver and gold."""
