"""The documents, and what makes parts of them; nothing in here is part of the product."""
