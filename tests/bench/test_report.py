"""The report says what the results say, and a straight line has the exponent 1."""

import math
from pathlib import Path

import pytest
from bench import plots, report


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "work" / "results.json")
    monkeypatch.setattr(report, "DOCUMENT", tmp_path / "benchmarks.md")
    monkeypatch.setattr(plots, "FOLDER", tmp_path / "benchmarks")
    return tmp_path


def reading(seconds: float) -> dict[str, float]:
    return {"seconds": seconds, "peak_mb": 100, "rows": 5, "bytes": 7}


class TestExponent:
    def test_is_the_slope_of_the_logarithms(self) -> None:
        assert report.exponent({10: 2.0, 100: 20.0, 1000: 200.0}) == pytest.approx(1)
        assert report.exponent({10: 1.0, 100: 100.0}) == pytest.approx(2)

    def test_of_one_size_is_unknown(self) -> None:
        assert math.isnan(report.exponent({10: 2.0}))


class TestReport:
    def test_ratios_are_of_readings_of_one_turn(self, own_folder: Path) -> None:
        found = {
            "copy": [reading(1), reading(2), reading(4)],
            "ours": [reading(2), reading(2), reading(4)],
        }
        report.keep("extraction", 5, found)
        report.write_report()
        text = (own_folder / "benchmarks.md").read_text("utf-8")
        ours = next(line for line in text.splitlines() if "this product" in line)
        assert [cell.strip() for cell in ours.split("|")[2:5]] == ["2.00", "2.00 to 4.00", "1.00"]
        assert (own_folder / "benchmarks" / "extraction.svg").exists()

    def test_a_part_is_told_beside_those_that_were_kept_before(self, own_folder: Path) -> None:
        report.keep("extraction", 5, {"copy": [reading(1)], "ours": [reading(2)]})
        for rows in (10, 100):
            found = {"copy": [reading(1)], "ours": [reading(rows / 10)]}
            report.keep("growth of extraction", rows, found)
        report.write_report()
        text = (own_folder / "benchmarks.md").read_text("utf-8")
        assert "## From PostgreSQL to Parquet" in text
        assert "Exponent 1.00" in text
