"""YAML and JSON that people write: the values, the lines, and one sentence for each fault."""

from pathlib import Path

import pytest

from credix.core.documents import parse_document, read_document
from credix.core.errors import SettingsError


def test_each_value_has_its_line() -> None:
    document = parse_document("# first\na:\n  b: [1,\n    2]\nc: x\n", "f.yml")
    assert document.value == {"a": {"b": [1, 2]}, "c": "x"}
    assert document.part("a").line("b", 1) == 4
    assert document.line("a", "b", 0, "nothing there") == 3
    assert str(document.error("it is wrong.", "c")) == "f.yml, line 5: it is wrong."


def test_json_may_be_indented_by_tabs() -> None:
    document = parse_document('[\n\t{"a": "b"}\n]', "f.json")
    assert (document.value, document.line(0, "a")) == ([{"a": "b"}], 2)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("f.yml", "a: 1\nb = 2\nc: 3\n", "f.yml, line 2: "),
        ("f.yml", "a: 1\nb: [x\nc: 3\n", "f.yml, line 2: "),
        ("f.yml", "a: 1\nb: 'x\nc: 3\n", "f.yml, line 2: "),
        ("f.yml", "a: 1\nb: */5 * * * *\n", "f.yml, line 2: .*quotes"),
        ("f.yml", "a: 1\nb: @x\n", "f.yml, line 2: "),
        ("f.yml", "a:\n  b: 1\n c: 2\n", "f.yml, line 3: "),
        ("f.yml", "a:\n\tb: 1\n", "f.yml, line 2: "),
        ("f.yml", "a: !!python/name:os.system x\n", "f.yml, line 1: "),
        ("f.yml", "a: 1\nb: 2\na: 3\n", "f.yml, line 3: 'a' is there twice, first in line 1"),
        ("f.yml", "a: \x00", "f.yml: "),
        ("f.json", '[{"a": 1,\n "a": 2}]', "f.json, line 2: 'a' is there twice, first in line 1"),
        ("f.json", '[{"a": 1},\n]', "f.json, line [12]: "),
        ("f.json", "[{'a': 1}]", "f.json, line 1: "),
        ("f.json", "", "f.json, line 1: "),
    ],
)
def test_a_fault_is_one_sentence_with_file_and_line(file: str, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        parse_document(text, file)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"f\.yml cannot be read: No such file"):
        read_document(tmp_path / "f.yml", "f.yml")
    (tmp_path / "f.yml").write_bytes(b"a: \xff\n")
    with pytest.raises(SettingsError, match=r"f\.yml cannot be read: it is not text in UTF-8"):
        read_document(tmp_path / "f.yml", "f.yml")
