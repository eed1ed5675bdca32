"""Parquet objects of a bucket as one Arrow dataset, of which only the needed ranges travel."""

from collections.abc import Iterable

import google.cloud.storage as storage
import pyarrow as pa
import pyarrow.dataset as ds

from credix.settings import MEBIBYTE

# What is read at least at once: a footer and small column chunks come in one request.
CHUNK_BYTES = MEBIBYTE


def open_dataset(blobs: Iterable[storage.Blob], schema: pa.Schema) -> ds.Dataset:
    """The objects under one schema: a column that an older file lacks is null there."""
    form = ds.ParquetFileFormat()
    fragments = [form.make_fragment(blob.open("rb", chunk_size=CHUNK_BYTES)) for blob in blobs]
    return ds.FileSystemDataset(fragments, schema, form)
