"""Demo data as Parquet files, made chunk by chunk: memory stays flat at any number of rows."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from credix.core.contracts import load_source
from credix.core.disk import replacing
from credix.core.errors import SettingsError
from credix_local.demo.companies import build_companies
from credix_local.demo.identifiers import company_roots
from credix_local.demo.installments import build_installments, demo_buyers, draw_history, fit

COMPANIES, INSTALLMENTS, SEED = 10_000, 200_000, 42
COMPANIES_PER_CHUNK = 50_000
INVOICES_PER_CHUNK = 65_536
COMPRESSION = {"compression": "zstd", "compression_level": 1}
# Each table draws from streams of its own, so that one's size does not change the other.
COMPANY_STREAM, INSTALLMENT_STREAM = 1, 2


def write_demo_data(
    folder: Path,
    *,
    today: date,
    companies: int = COMPANIES,
    installments: int = INSTALLMENTS,
    seed: int = SEED,
) -> list[Path]:
    """Write `cnpj_ws.parquet` and `installments.parquet` into the folder.

    The history ends on `today`. The same arguments give the same rows in the same order. Raises
    SettingsError when there are installments but no companies, or more companies than numbers.
    """
    if min(companies, installments, seed) < 0:
        raise SettingsError("Companies, installments and seed of demo data cannot be negative.")
    chunks = {
        "cnpj_ws": company_chunks(companies, seed, today),
        "installments": installment_chunks(companies, installments, seed, today),
    }
    return [write_chunks(folder, source, batches) for source, batches in chunks.items()]


def company_chunks(count: int, seed: int, today: date) -> Iterator[pa.RecordBatch]:
    """So many companies, with the first of the seed's tax numbers."""
    for chunk, first in enumerate(range(0, count, COMPANIES_PER_CHUNK)):
        indices = np.arange(first, min(first + COMPANIES_PER_CHUNK, count), dtype=np.int64)
        random = np.random.default_rng([seed, COMPANY_STREAM, chunk])
        yield build_companies(random, company_roots(seed, indices), today)


def installment_chunks(
    companies: int, count: int, seed: int, today: date
) -> Iterator[pa.RecordBatch]:
    """So many installments of the companies that `company_chunks` gives for the same seed."""
    if count == 0:
        return
    buyers = demo_buyers(seed, companies)
    written, chunk = 0, 0
    while written < count:
        random = np.random.default_rng([seed, INSTALLMENT_STREAM, chunk])
        first_invoice = chunk * INVOICES_PER_CHUNK
        history = draw_history(random, buyers, first_invoice, INVOICES_PER_CHUNK, today)
        invoices = fit(history, count - written)
        batch = build_installments(random, buyers, invoices, seed, first_invoice, written, today)
        yield batch
        written += batch.num_rows
        chunk += 1


def write_chunks(folder: Path, source: str, batches: Iterator[pa.RecordBatch]) -> Path:
    """Return one file with a row group per chunk; it appears under its name when it is complete."""
    path = folder / f"{source}.parquet"
    contract = load_source(source)
    schema = pa.schema([column.arrow for column in contract.columns])
    # A dictionary of keys that never repeat is only in the way.
    repeating = [name for name in contract.column_names if name not in contract.key]
    options: dict[str, Any] = {**COMPRESSION, "use_dictionary": repeating}
    with replacing(path) as beside, pq.ParquetWriter(beside, schema, **options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return path
