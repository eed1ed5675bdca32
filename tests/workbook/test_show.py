"""What only shows fails no run."""

import pytest

from credix.workbook import show


def test_a_note_without_values_takes_the_place_of_what_cannot_be_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show.optional("The profile"):
        raise OverflowError("Overflow in addition: 99999999999999 + 1\nof 'Ana Souza'")
    assert capsys.readouterr().out == (
        "The profile could not be shown: OverflowError: Overflow in addition: … + 1\n"
    )


def test_what_can_be_shown_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with show.optional("The profile"):
        print("a table")
    assert capsys.readouterr().out == "a table\n"


def test_an_interruption_is_no_fault_of_what_is_shown() -> None:
    with pytest.raises(KeyboardInterrupt), show.optional("The profile"):
        raise KeyboardInterrupt
