"""What one call of dbt replaces: the process's variables and words, and parts of dbt itself."""

import inspect
import os
import sys

import pytest
from dbt.adapters.bigquery import clients, connections, retry
from dbt.cli import flags
from dbt_common import behavior_flags
from google.cloud.bigquery import Client

from credix.clients.dbt.call import (
    environment,
    name_flags_without_search,
    named_as,
    prepare_dbt,
)
from credix.core.settings import Settings


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


class TestWhatIsReplacedInDbt:
    """Each fails when another version of dbt is put together otherwise."""

    def test_both_modules_that_open_a_client_look_its_maker_up_by_this_name(
        self, settings: Settings
    ) -> None:
        assert list(inspect.signature(clients.create_bigquery_client).parameters) == ["credentials"]
        for module in (connections, retry):
            code = inspect.getsource(module)
            assert "import create_bigquery_client" in code
            assert code.count("create_bigquery_client(") == 1
        prepare_dbt(settings)
        makers = [vars(module)["create_bigquery_client"] for module in (connections, retry)]
        assert makers[0] is makers[1]
        assert makers[0] is not clients.create_bigquery_client

    def test_a_flag_without_a_source_looks_it_up_by_this_method(self) -> None:
        assert "self._default_source()" in inspect.getsource(behavior_flags.BehaviorFlagRendered)
        name_flags_without_search()
        assert behavior_flags.BehaviorFlagRendered._default_source() == "dbt"

    def test_a_client_has_the_session_that_gets_the_adapter(self) -> None:
        assert isinstance(Client._http, property)

    def test_an_error_is_handled_by_a_method_of_the_class_with_error_and_message(self) -> None:
        code = inspect.getsource(connections)
        assert "    @classmethod\n    def handle_error(cls, error, message):" in code
        assert code.count("self.handle_error(") > 0

    def test_its_command_line_is_read_from_the_process_at_each_call(self) -> None:
        assert '"dbt " + " ".join(sys.argv[1:])' in inspect.getsource(flags)
        before = sys.argv
        with named_as(["dbt", "build"]):
            assert sys.argv == ["dbt", "build"]
        assert sys.argv is before
