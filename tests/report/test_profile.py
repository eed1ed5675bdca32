"""What 01 shows of its Parquet: ranges, but none that may be a person's."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from credix.capture.delta import Delta
from credix.core.contracts import load_source
from credix.core.masking import MASK
from credix.core.settings import Settings
from credix.report.profile import summarize
from credix.state.run import Run


def test_ranges_of_texts_and_of_personal_columns_are_masked(
    settings: Settings, tmp_path: Path
) -> None:
    rows: dict[str, list[Any]] = {
        "name": ["Ana", "Zoe"],
        "born_on": [date(1980, 1, 2), date(1999, 3, 4)],
        "n": [1, 7],
    }
    pq.write_table(pa.table(rows), tmp_path / "p.parquet")
    source = replace(load_source("cnpj_ws"), personal_data=frozenset({"born_on"}))
    run = cast("Run", SimpleNamespace(settings=settings, source=source))
    delta = cast("Delta", SimpleNamespace(parts=[SimpleNamespace(path=tmp_path / "p.parquet")]))

    found = summarize(run, delta).set_index("column")

    assert found.loc[["name", "born_on"], ["min", "max"]].to_numpy().tolist() == [[MASK, MASK]] * 2
    assert found.loc[["n"], ["min", "max"]].to_numpy().tolist()[0] == ["1", "7"]


def test_amounts_at_the_limit_are_shown(settings: Settings, tmp_path: Path) -> None:
    text = "9" * 29 + ".500000000"
    greatest, least = Decimal(text), Decimal(f"-{text}")
    rows: dict[str, Any] = {
        "amount": pa.array([greatest, greatest, None, least], pa.decimal128(38, 9)),
        'a "name"': [True, False, None, None],
    }
    pq.write_table(pa.table(rows), tmp_path / "p.parquet")
    run = cast("Run", SimpleNamespace(settings=settings, source=load_source("installments")))
    delta = cast("Delta", SimpleNamespace(parts=[SimpleNamespace(path=tmp_path / "p.parquet")]))

    found = summarize(run, delta).to_numpy().tolist()

    assert found == [
        ["amount", "DECIMAL(38,9)", 25.0, 2, f"-{text}", text],
        ['a "name"', "BOOLEAN", 50.0, 2, "false", "true"],
    ]
