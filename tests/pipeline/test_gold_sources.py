"""Only what a model of silver or gold reads makes gold be built."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from credix.clients.dbt import project
from credix.clients.dbt.project import project_fingerprint, sources_of_gold
from credix.core.jobs import GOLD_LAYERS, find_job
from credix.core.settings import Settings
from credix.pipeline import pipeline
from credix.pipeline.pipeline import Pipeline, Request
from credix.state.run import Run
from credix.state.states import SourceState
from tests.pipeline.test_pipeline import Silent

DAY = "2026-03-31"


class Decided(Pipeline):
    """A run whose sources are carried in no time, with the changes that a test says."""

    changed: frozenset[str] = frozenset()

    def decide(self, *changed: str) -> tuple[str, list[str]]:
        """How the run ends, and the steps that it executes besides those of its sources."""
        self.changed, self.executed = frozenset(changed), list[str]()
        states = {name: self.states.read_source(name) for name in self.request.job.sources}
        return self._carry(states), self.executed

    def _carry_source(self, source: str, state: SourceState) -> bool:
        assert state.source == source
        return source in self.changed

    def _execute(self, step: str, run: Run | None, parameters: Mapping[str, object]) -> None:
        assert run is None
        layers = parameters["layers"]
        assert isinstance(layers, list)
        self.executed.append(f"{step} {' '.join(layers)}")


def committed(state: SourceState, seq: int) -> SourceState:
    return state.model_copy(update={"committed_seq": seq})


@pytest.fixture
def made(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Gold of today has seen all of installments, the only source that it reads."""
    monkeypatch.setattr(pipeline, "sources_of_gold", lambda: ["installments"])
    states = open_run(settings, "full").states
    for name, seq in (("installments", 3), ("cnpj_ws", 9)):
        states.change_source("test", name, partial(committed, seq=seq))
    states.change_gold(
        "test",
        lambda gold: gold.model_copy(
            update={
                "business_date": DAY,
                "seen": {"installments": 3},
                "fingerprint": project_fingerprint(),
            }
        ),
    )
    return settings


def open_run(settings: Settings, job: str, day: str = DAY) -> Decided:
    return Decided(settings, Request(find_job(job), day, {}, {}), Silent())


def test_a_source_that_no_model_reads_builds_nothing(made: Settings) -> None:
    assert open_run(made, "cnpj").decide("cnpj_ws") == ("done", [])
    assert open_run(made, "full").decide("cnpj_ws") == ("done", [])


def test_it_is_quiet_whatever_gold_is(made: Settings) -> None:
    assert open_run(made, "cnpj", "2026-04-01").decide() == ("no_changes", [])


def test_a_source_that_gold_reads_and_a_new_day_build_it(made: Settings) -> None:
    gold = f"04_transform {' '.join(GOLD_LAYERS)}"
    assert open_run(made, "full").decide() == ("no_changes", [])
    assert open_run(made, "full", "2026-04-01").decide() == ("done", [gold])
    states = open_run(made, "full").states
    states.change_source(
        "test", "installments", lambda s: s.model_copy(update={"committed_seq": 4})
    )
    assert open_run(made, "full").decide("installments") == ("done", [gold])


def test_sources_are_read_where_silver_or_gold_name_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "PROJECT", tmp_path)
    models = {
        "bronze/orders": "select 1",
        "bronze/companies": "select * from {{ ref('orders') }}",
        "silver/companies_clean": 'select * from {{ ref( "companies" ) }}',
        "gold/summary": "select * from {{ ref('companies_clean') }}",
    }
    for name, text in models.items():
        path = tmp_path / "models" / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert sources_of_gold() == ["companies"]
