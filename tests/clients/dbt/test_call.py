"""The variables of one call of dbt: set for it, and never at the cost of another thread."""

import os

import pytest

from credix.clients.dbt.call import environment


def test_they_are_set_for_the_call_and_all_that_it_changed_is_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("REPLACED", "before")
    before = dict(os.environ)
    with environment({"REPLACED": "for dbt", "NEW": "for dbt"}):
        assert (os.environ["REPLACED"], os.environ["NEW"]) == ("for dbt", "for dbt")
        os.environ["BY_DBT"] = "x"
        del os.environ["KEPT"]
    assert dict(os.environ) == before


def test_another_thread_never_finds_the_environment_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    found: list[str | None] = []

    class Watched(dict[str, str]):
        """Reads, as another thread would, whenever a variable goes or comes."""

        def __setitem__(self, name: str, value: str) -> None:
            super().__setitem__(name, value)
            found.append(self.get("HTTPS_PROXY"))

        def __delitem__(self, name: str) -> None:
            super().__delitem__(name)
            found.append(self.get("HTTPS_PROXY"))

        def clear(self) -> None:
            super().clear()
            found.append(self.get("HTTPS_PROXY"))

    monkeypatch.setattr(os, "environ", Watched(os.environ))
    with environment({"NEW": "for dbt"}):
        pass
    assert set(found) <= {"http://proxy:3128"}
