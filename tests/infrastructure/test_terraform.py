"""Terraform makes what the workbook looks for, under the names by which it looks."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from credix.runs.jobs import JOBS
from credix.settings import PROJECT_DIR, Settings
from credix.steps.provision import LAYERS

ROOT = PROJECT_DIR / "terraform"
FILES = sorted(ROOT.glob("*.tf"))
ENVIRONMENTS = sorted((ROOT / "environments").glob("*.tfvars"))
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
    assert set(made) == set(LAYERS)


def test_every_schedule_starts_a_job_that_there_is() -> None:
    schedules = re.search(r'"schedules" \{.*?default = \{(.*?)\}', text("variables.tf"), re.DOTALL)
    assert schedules
    lines = re.findall(r'^ +(\w+) += "(.+)"', schedules[1], re.MULTILINE)
    assert dict(lines) == {name: job.cron for name, job in JOBS.items() if job.cron}


def test_a_job_is_told_settings_that_the_workbook_knows() -> None:
    told = set(re.findall(r"\b(?:CREDIX|POSTGRES|GCP)_[A-Z_]+\b", text("locals.tf")))
    known = {str(field.alias) for field in Settings.model_fields.values()}
    assert told - known == set()


def test_a_job_is_told_every_setting_without_a_default() -> None:
    needed = {str(f.alias) for f in Settings.model_fields.values() if f.is_required()}
    told = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", text("locals.tf")))
    assert needed - told == set()


@pytest.mark.parametrize("file", ENVIRONMENTS, ids=lambda path: path.stem)
def test_the_values_of_an_environment_name_it_and_hold_no_secret(file: Path) -> None:
    values = file.read_text("utf-8")
    assert re.search(rf'^environment = "{file.stem}"$', values, re.MULTILINE)
    assert not re.search(r"password|token|private_key|://", values, re.IGNORECASE)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_no_key_file_and_no_role_over_all_data_is_made(file: Path) -> None:
    source = file.read_text("utf-8")
    assert "google_service_account_key" not in source
    assert not re.search(r"roles/(?:owner|editor|storage\.admin|bigquery\.admin)\b", source)


@pytest.mark.parametrize("resource", ["google_bigquery_dataset", "google_storage_bucket"])
def test_where_data_lives_nothing_is_destroyed_by_accident(resource: str) -> None:
    source = text("datasets.tf" if "bigquery" in resource else "buckets.tf")
    assert "prevent_destroy = true" in block(source, f'resource "{resource}"')


@pytest.mark.skipif(TERRAFORM is None, reason="terraform is not installed")
def test_the_files_are_formatted() -> None:
    command = [str(TERRAFORM), "fmt", "-check", "-recursive", "-diff", str(ROOT)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
