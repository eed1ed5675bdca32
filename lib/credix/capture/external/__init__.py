"""Files that another system puts into the landing folder."""
