"""Terraform makes what the workbook looks for, under the names by which it looks."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from credix.core.contracts import FOLDER, JOBS, SOURCES
from credix.core.paths import DATASETS
from credix.core.settings import PROJECT_DIR, Settings

ROOT = PROJECT_DIR / "terraform"
FILES = sorted(ROOT.rglob("*.tf"))
ENVIRONMENTS = sorted((ROOT / "environments").glob("*.tfvars"))
PROFILES = PROJECT_DIR / "dbt" / "business_case" / "profiles.yml"
TERRAFORM = shutil.which("terraform")


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def block(source: str, opening: str) -> str:
    """The text between an opening and the brace that closes it on a line of its own."""
    start = source.index(opening)
    indent = re.search(r"[ \t]*$", source[: source.index(opening)])
    closing = f"\n{indent[0] if indent else ''}}}"
    return source[start : source.index(closing, start)]


def test_every_dataset_of_the_workbook_is_made_and_no_other() -> None:
    made = re.findall(r"^    (\w+) +=", block(text("datasets.tf"), "datasets = {"), re.MULTILINE)
    assert set(made) == set(DATASETS)


def test_the_schedules_are_those_of_the_workbook_unless_others_are_given() -> None:
    folder = FOLDER.relative_to(PROJECT_DIR).as_posix()
    assert f'contract = "${{path.module}}/../{folder}"' in text("locals.tf")
    for file in (SOURCES, JOBS):
        assert f'yamldecode(file("${{local.contract}}/{file.name}"))' in text("locals.tf")
    assert "default     = null" in block(text("variables.tf"), 'variable "schedules"')


def test_a_job_is_told_settings_that_the_workbook_knows() -> None:
    told = set(re.findall(r"\b(?:CREDIX|POSTGRES|GCP)_[A-Z_]+\b", text("locals.tf")))
    known = {str(field.alias) for field in Settings.model_fields.values()}
    of_dbt = set(re.findall(r"\bCREDIX_DBT_[A-Z_]+\b", PROFILES.read_text("utf-8")))
    assert told - known - of_dbt == set()


def test_a_job_is_told_every_setting_without_a_default() -> None:
    needed = {str(f.alias) for f in Settings.model_fields.values() if f.is_required()}
    told = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", text("locals.tf")))
    assert needed - told == set()


@pytest.mark.parametrize("file", ENVIRONMENTS, ids=lambda path: path.stem)
def test_the_values_of_an_environment_name_it_and_hold_no_secret(file: Path) -> None:
    values = file.read_text("utf-8")
    assert re.search(rf'^environment = "{file.stem}"$', values, re.MULTILINE)
    assert not re.search(r"password|token|private_key|://", values, re.IGNORECASE)


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_key_file_and_no_role_over_all_data_is_made(file: Path) -> None:
    source = file.read_text("utf-8")
    assert "google_service_account_key" not in source
    assert not re.search(r"roles/(?:owner|editor|viewer|storage\.admin|bigquery\.admin)\b", source)
    assert not re.search(r"google_(?:project|organization)_iam_(?:binding|policy)\b", source)


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_value_of_a_secret_passes_through_the_state(file: Path) -> None:
    source = re.sub(r"#.*", "", file.read_text("utf-8"))
    assert "google_secret_manager_secret_version" not in source
    assert "google_sql_user" not in source
    holds = r"^\s*(?:root_)?(?:password|private_key|auth_token|secret_data)\s+="
    assert not re.search(holds, source, re.MULTILINE)


KINDS_WITH_DATA = "storage_bucket|bigquery_dataset|sql_database_instance|secret_manager_secret"


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_where_data_lives_nothing_is_destroyed_by_accident(file: Path) -> None:
    source = file.read_text("utf-8")
    opening_of_data = rf'^resource "google_(?:{KINDS_WITH_DATA})" "\w+" {{$'
    for opening in re.findall(opening_of_data, source, re.MULTILINE):
        assert "prevent_destroy = true" in block(source, opening), opening


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_variable_has_a_type_and_says_what_it_is(file: Path) -> None:
    source = file.read_text("utf-8")
    for opening in re.findall(r'^variable "\w+" {$', source, re.MULTILINE):
        said = block(source, opening)
        assert re.search(r"^  type +=", said, re.MULTILINE), opening
        assert re.search(r'^  description += ".+\."$', said, re.MULTILINE), opening
    for opening in re.findall(r'^output "\w+" {$', source, re.MULTILINE):
        assert "description" in block(source, opening), opening


@pytest.mark.skipif(TERRAFORM is None, reason="terraform is not installed")
def test_the_files_are_formatted() -> None:
    command = [str(TERRAFORM), "fmt", "-check", "-recursive", "-diff", str(ROOT)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.skipif(TERRAFORM is None, reason="terraform is not installed")
@pytest.mark.skipif(
    not (ROOT / ".terraform" / "providers").exists(),
    reason="no provider here: terraform -chdir=terraform init -backend=false",
)
@pytest.mark.parametrize("command", ["validate", "test"])
def test_the_module_is_valid_and_makes_what_its_tests_say(command: str) -> None:
    found = subprocess.run(
        [str(TERRAFORM), f"-chdir={ROOT}", command, "-no-color"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, f"{found.stdout}{found.stderr}"
