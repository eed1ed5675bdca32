"""Rows of landing files, as short as a test wants them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

CNPJ = "11222333000181"


def snapshot(seq: int) -> datetime:
    """The time of the snapshot that a run with this fence token read."""
    return datetime(2025, 3, 10, 12, seq, tzinfo=UTC)


def technical(seq: int, row_hash: int | None) -> dict[str, Any]:
    return {
        "_seq": seq,
        "_row_hash": row_hash,
        "_key_hash": 7,
        "_is_deleted": row_hash is None,
        "_deleted_at": snapshot(seq) if row_hash is None else None,
        "_extracted_at": snapshot(seq),
        "_source_file": f"run_{seq}",
    }


def installment(asset_id: str, seq: int = 1, row_hash: int = 1, **columns: Any) -> dict[str, Any]:
    """An installment of 100 BRL that was due on 2025-03-10 and is not paid."""
    contract = {
        "asset_id": asset_id,
        "buyer_tax_id": CNPJ,
        "due_date": date(2025, 3, 10),
        "expected_amount_in_cents": 10_000,
        "payment_method": "PIX",
    }
    return {**contract, **columns, **technical(seq, row_hash)}


def company(cnpj: str = CNPJ, seq: int = 1, row_hash: int = 1, **columns: Any) -> dict[str, Any]:
    """A valid company in São Paulo."""
    contract = {
        "cnpj": cnpj,
        "main_cnae": "6201501",
        "share_capital": Decimal("1000.50"),
        "zip_code": "01310100",
        "city": "São Paulo",
        "uf": "SP",
    }
    return {**contract, **columns, **technical(seq, row_hash)}


def tombstone(key: str, value: str, seq: int) -> dict[str, Any]:
    """The key is gone from the source: no values, only technical columns."""
    return {key: value, **technical(seq, None)}
