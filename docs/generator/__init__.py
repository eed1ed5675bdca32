"""Parts of the documents that are made of the code's own objects: `make docs` writes them."""
