"""Labels of jobs: within BigQuery's rules, and enough to find an earlier attempt's."""

import re

from credix.clients.bigquery.job_labels import JobLabels, is_of_earlier_attempt, label_value
from credix.core.settings import Settings

SETTINGS = Settings.parse(
    {
        "CREDIX_ENV": "local",
        "CREDIX_PREFIX": "business_case",
        "GCP_PROJECT": "credix-local",
        "POSTGRES_HOST": "localhost",
        "POSTGRES_DB": "db",
        "POSTGRES_USER": "user",
        "POSTGRES_PASSWORD": "secret",
        "LAKE_BUCKET": "lake",
        "ARCHIVE_BUCKET": "archive",
        "REPORT_BUCKET": "report",
        "RUNS_BUCKET": "runs",
    }
)


def labels(source: str = "installments", attempt: int = 6) -> JobLabels:
    return JobLabels("local", "business_case", "20260301T101500Z-full-1f2e3d", source, attempt)


def test_labels_keep_bigquerys_rules() -> None:
    found = labels().at("bronze.merge")

    assert found["credix_run"] == "20260301t101500z-full-1f2e3d"
    assert found["credix_step"] == "bronze_merge"
    assert all(re.fullmatch("[a-z0-9_-]{0,63}", text) for pair in found.items() for text in pair)
    assert len(label_value("Ä" * 100)) == 63


def test_jobs_of_earlier_attempts_at_the_same_source_are_told_from_all_others() -> None:
    def is_earlier(sent: dict[str, str]) -> bool:
        return is_of_earlier_attempt(sent, SETTINGS, "installments", 7)

    assert is_earlier(labels().at("bronze.merge"))
    assert not is_earlier(labels(attempt=7).at("bronze.merge"))
    assert not is_earlier(labels("cnpj_ws").at("bronze.merge"))
    assert not is_earlier({**labels().at("query"), "credix_prefix": "another"})
    assert not is_earlier({"dbt_node": "model.business_case.installments"})
