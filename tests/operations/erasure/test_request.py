"""Which rows an erasure means, known by keyed hashes alone."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from credix.cli.erase import read_lines
from credix.core.contracts import load_source
from credix.core.errors import SettingsError
from credix.operations.erasure.request import match_keys, parse_keys

COMPANIES = load_source("cnpj_ws")
NUMBERED = replace(load_source("installments"), key=("asset_id", "installment_number"))
SECRET = b"secret"


def test_the_rows_of_a_key_are_found_and_no_others() -> None:
    matcher = match_keys(COMPANIES, SECRET, parse_keys(COMPANIES, ["1", "3", "3"]))
    rows = pa.table({"cnpj": ["1", "2", "3", None]})
    assert matcher.mask(rows).tolist() == [True, False, True, False]
    assert len(matcher.wanted) == 2


def test_a_key_of_several_columns_is_written_with_slashes() -> None:
    matcher = match_keys(NUMBERED, SECRET, parse_keys(NUMBERED, ["a/2"]))
    rows = pa.table({"asset_id": ["a", "a", "b"], "installment_number": [2, 3, 2]})
    assert matcher.mask(rows).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("given", "words"), [("4711", "write all of it, with slashes"), ("a/4711x", "cannot be read")]
)
def test_a_key_of_another_shape_is_refused_without_being_shown(given: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        parse_keys(NUMBERED, [given])
    assert "4711" not in str(refused.value)


def test_the_same_keys_have_the_same_record_and_another_secret_tells_nothing() -> None:
    one = match_keys(COMPANIES, SECRET, parse_keys(COMPANIES, ["1", "2"]))
    again = match_keys(COMPANIES, SECRET, parse_keys(COMPANIES, ["2", "1"]))
    other = match_keys(COMPANIES, b"other", parse_keys(COMPANIES, ["1", "2"]))
    assert one.id == again.id != other.id
    assert not one.wanted & other.wanted


def test_a_file_of_keys_may_come_from_windows_and_one_that_is_no_text_is_named(
    tmp_path: Path,
) -> None:
    path = tmp_path / "keys.txt"
    path.write_bytes("\ufeff1\r\n\r\n 2 \r\n".encode())
    assert read_lines(str(path)) == ["1", "2"]
    path.write_bytes("1\nação\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"keys\.txt cannot be read: it is no text in UTF-8"):
        read_lines(str(path))
