"""Messages of other software: values are gone, what they are read for is there."""

import traceback

import pytest

from credix.core.redaction import traceback_without_values, without_values


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ('invalid input syntax for integer: "Maria"', 'invalid input syntax for integer: "…"'),
        ("Could not convert string 'maria' to INT64", "Could not convert string '…' to INT64"),
        ("Bad int64 value: Maria da Silva", "Bad int64 value: …"),
        ("Invalid NUMERIC value: 12,5 at [3:4]", "Invalid NUMERIC value: … at [3:4]"),
        ("no mailbox maria.silva@empresa.com.br there", "no mailbox … there"),
        ("cannot call +55 (11) 98765-4321", "cannot call …"),
        ("twice: 11.222.333/0001-81, 11222333000181", "twice: …, …"),
        ("twice: 12.ABC.345/01DE-35, 12ABC34501DE35.", "twice: …, …."),
        ("as typed: 12.abc.345/01de-35, ABCDEFGH/IJKL-35", "as typed: …, …"),
        ("got b'Maria' and u'Ana'", "got b'…' and u'…'"),
        ("no such 'Maria\nda Silva' or “Ana”", "no such '…' or “…”"),
        ("Could not parse `Maria da Silva`", "Could not parse `…`"),
        ('name "" or \'\'', 'name "…" or \'…\''),
        ("can't convert 'Maria' of 'O'Neil'", "can't convert '…' of '…'"),
        ("could not convert to float: 'it''s O''Neil'", "could not convert to float: '…'"),
    ],
)  # fmt: skip
def test_values_are_masked(message: str, masked: str) -> None:
    assert without_values(message) == masked


@pytest.mark.parametrize(
    "message",
    [
        'relation "oltp.business_case_installments" does not exist',
        'column "cnpj" does not exist at [1:14]',
        'duplicate key value violates unique constraint "pk"',
        "KeyError: 'legal_name'",
        "Not found: `credix-local.business_case_temp.installments`",
        "Not found: Table credix-local:business_case_temp.installments_5e1f was not found",
        "snapshot 2026-11-24 04:23:30 UTC of run 20261124T042103Z-full-c27ab9",
        "Value out of range",
        "file CHARACTERSET99 of run 20261124T042103Z, job 5e1f-installments-2026",
        'Syntax error: Expected ")" but got identifier "ilike" at [2:34]',
        "",
    ],
)
def test_names_and_moments_stay(message: str) -> None:
    assert without_values(message) == message


def test_details_of_postgresql_go_and_its_hint_stays() -> None:
    message = (
        'duplicate key value violates unique constraint "pk"\n'
        "  DETAIL:  Key (cnpj)=(11222333000181) already exists.\n"
        "of two lines\n"
        "HINT:  Remove one.\n"
        "CONTEXT:  COPY companies, line 7: Maria\n"
    )
    assert without_values(message).split("\n") == [
        'duplicate key value violates unique constraint "pk"',
        "",
        "HINT:  Remove one.",
    ]


def test_a_traceback_keeps_its_frames_and_loses_the_values() -> None:
    def refuse() -> None:
        try:
            raise KeyError("Maria da Silva")
        except KeyError as error:
            raise ValueError("cannot read 'Maria'\nnor maria@empresa.example") from error

    with pytest.raises(ValueError, match="Maria") as raised:
        refuse()
    text = "".join(traceback.format_exception(raised.value))

    masked = traceback_without_values(text)

    assert "KeyError: '…'" in masked
    assert "ValueError: cannot read '…'\nnor …" in masked
    assert [line for line in masked.splitlines() if line.startswith("  File")] == [
        line for line in text.splitlines() if line.startswith("  File")
    ]


def test_our_own_errors_say_what_they_say() -> None:
    text = "credix.core.errors.SettingsError: 'a' is no date\n\nDuring handling: …\n"
    assert traceback_without_values(text) == text


def test_a_coloured_traceback_loses_them_too() -> None:
    text = "\x1b[0;31mValueError\x1b[0m: cannot read 'Maria'"
    assert traceback_without_values(text) == "\x1b[0;31mValueError\x1b[0m: cannot read '…'"
