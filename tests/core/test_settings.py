"""Settings: everything wrong is named at once, nothing secret is ever shown."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from credix.core import settings as module
from credix.core.errors import SettingsError
from credix.core.settings import PROJECT_DIR, Settings, collect_variables

PASSWORD = "s3cr3t-p@ss/word"
COMPLETE = {
    "POSTGRES_HOST": "db.example",
    "POSTGRES_DB": "credix",
    "POSTGRES_USER": "reader",
    "POSTGRES_PASSWORD": PASSWORD,
    "GCP_PROJECT": "a-project",
}


def refusal(variables: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.parse(variables)
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder in place of the real one."""
    monkeypatch.setattr(module, "PROJECT_DIR", tmp_path)
    return tmp_path


def test_all_missing_variables_are_named_at_once() -> None:
    text = refusal({})
    for name in COMPLETE:
        assert f"{name} is missing" in text


def test_missing_wrong_and_unknown_variables_are_named_together() -> None:
    given = {name: value for name, value in COMPLETE.items() if name != "POSTGRES_DB"}
    text = refusal({**given, "POSTGRES_PORT": "many", "CREDIX_PREFX": "x", "CREDIX_ENV": "moon"})
    assert "POSTGRES_DB is missing" in text
    assert "POSTGRES_PORT: " in text
    assert "CREDIX_ENV: " in text
    assert "CREDIX_PREFX is not a setting (did you mean CREDIX_PREFIX?)" in text


def test_an_unknown_variable_that_resembles_none_is_named_without_a_guess() -> None:
    text = refusal({**COMPLETE, "CREDIX_QQQQQQ": "x"})
    assert "CREDIX_QQQQQQ is not a setting" in text
    assert "did you mean" not in text


def test_variables_of_others_and_run_values_of_dbt_are_ignored() -> None:
    Settings.parse({**COMPLETE, "PATH": "/bin", "CREDIX_DBT_SEQ": "7"})


def test_an_empty_variable_counts_as_missing() -> None:
    assert "POSTGRES_HOST is missing" in refusal({**COMPLETE, "POSTGRES_HOST": ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PORT", "0"),
        ("POSTGRES_PORT", "65536"),
        ("POSTGRES_SCHEMA", "oltp; DROP TABLE x"),
        ("CREDIX_PREFIX", "Has-Capitals"),
        ("CREDIX_TIMEZONE", "Mars/Olympus"),
        ("CREDIX_TIMEZONE", "../etc/passwd"),
        ("CREDIX_PART_BYTES", "100"),
        ("CREDIX_PART_BYTES", str(1 << 30)),
        ("CREDIX_ROW_GROUP_ROWS", "1"),
        ("CREDIX_LEASE_SECONDS", "1"),
        ("CREDIX_RETRY_SECONDS", "-1"),
        ("CREDIX_GOOGLE_CREDENTIALS", "a-file"),
        ("CREDIX_DUCKDB_MEMORY", "lots"),
    ],
)
def test_a_value_out_of_its_bounds_is_refused_by_name(name: str, value: str) -> None:
    text = refusal({**COMPLETE, name: value})
    assert text.startswith(f"The settings of 'local' are wrong or not complete: {name}: ")


def test_a_refused_value_is_not_repeated() -> None:
    assert PASSWORD not in refusal({**COMPLETE, "POSTGRES_PORT": PASSWORD})


def test_locally_the_way_out_is_to_start_the_stack() -> None:
    assert "./run_pipeline.py up" in refusal({})
    assert "./run_pipeline.py up" not in refusal({"CREDIX_ENV": "prod"})


def test_settings_cannot_be_changed() -> None:
    settings = Settings.parse(COMPLETE)
    with pytest.raises(ValidationError, match="frozen"):
        settings.postgres_host = "elsewhere"


def test_the_password_is_in_no_text_of_the_settings() -> None:
    settings = Settings.parse(COMPLETE)
    for text in (repr(settings), str(settings), f"{settings}", settings.model_dump_json()):
        assert PASSWORD not in text
    assert settings.secrets() == [PASSWORD]


def test_variables_make_the_same_settings_again() -> None:
    settings = Settings.parse({**COMPLETE, "CREDIX_PREFIX": "other", "POSTGRES_PORT": "5433"})
    assert Settings.parse(settings.variables()) == settings


def test_relative_folders_are_anchored_in_the_project_and_not_where_one_stands() -> None:
    settings = Settings.parse({**COMPLETE, "CREDIX_RUN_DIR": "some/runs"})
    assert settings.run_dir == PROJECT_DIR / "some/runs"


def test_the_environment_goes_before_env_file_before_stack(project: Path) -> None:
    (project / ".local").mkdir()
    (project / ".local" / "stack.env").write_text(
        "POSTGRES_HOST=of-stack\nPOSTGRES_DB=of-stack\nPOSTGRES_USER=of-stack\n"
    )
    (project / ".env").write_text("POSTGRES_DB=of-file\nPOSTGRES_USER=of-file\n")
    found = collect_variables({"POSTGRES_USER": "of-environment"})
    assert found["POSTGRES_HOST"] == "of-stack"
    assert found["POSTGRES_DB"] == "of-file"
    assert found["POSTGRES_USER"] == "of-environment"


def test_the_stack_gives_no_defaults_to_another_environment(project: Path) -> None:
    (project / ".local").mkdir()
    (project / ".local" / "stack.env").write_text("POSTGRES_HOST=of-stack\n")
    assert "POSTGRES_HOST" not in collect_variables({}, "prod")
    assert collect_variables({}, "prod")["CREDIX_ENV"] == "prod"


def test_a_named_environment_goes_before_the_variable(project: Path) -> None:
    assert project
    assert collect_variables({"CREDIX_ENV": "dev"}, "stage")["CREDIX_ENV"] == "stage"


def test_the_stack_folder_can_be_moved_by_env_file(project: Path) -> None:
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "stack.env").write_text("POSTGRES_HOST=of-stack\n")
    (project / ".env").write_text("CREDIX_LOCAL_DIR=elsewhere\n")
    found = collect_variables({})
    assert found["POSTGRES_HOST"] == "of-stack"
    assert found["CREDIX_RUN_DIR"] == str(project / "elsewhere" / "runs")


def test_another_prefix_moves_datasets_and_nothing_else() -> None:
    settings = Settings.parse(COMPLETE)
    other = settings.with_prefix("sandbox_business_case")
    assert settings.dataset("gold") == "business_case_gold"
    assert other.dataset("gold") == "sandbox_business_case_gold"
    assert other.variables() == {**settings.variables(), "CREDIX_PREFIX": "sandbox_business_case"}


def test_prod_is_written_to_only_when_somebody_says_so() -> None:
    with pytest.raises(SettingsError, match="CREDIX_CONFIRM_ENV=prod"):
        Settings.parse({**COMPLETE, "CREDIX_ENV": "prod"}).require_confirmation()
    with pytest.raises(SettingsError, match="write to prod"):
        wrong = {**COMPLETE, "CREDIX_ENV": "prod", "CREDIX_CONFIRM_ENV": "stage"}
        Settings.parse(wrong).require_confirmation()


@pytest.mark.parametrize("env", ["dev", "stage", "prod"])
def test_a_confirmed_environment_and_any_but_prod_may_be_written_to(env: str) -> None:
    confirmed = {"CREDIX_CONFIRM_ENV": "prod"} if env == "prod" else {}
    Settings.parse({**COMPLETE, "CREDIX_ENV": env, **confirmed}).require_confirmation()
