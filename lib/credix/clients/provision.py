"""What Terraform makes on Google: buckets, datasets and the empty reference tables."""

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.core.contracts import load_source, source_names
from credix.core.paths import DATASETS, reference_table


def provision_buckets(lake: Lake) -> None:
    """Create the four buckets unless they exist."""
    settings = lake.settings
    for bucket in (
        settings.lake_bucket,
        settings.archive_bucket,
        settings.report_bucket,
        settings.runs_bucket,
    ):
        lake.create_bucket(bucket)


def provision_warehouse(warehouse: Warehouse) -> None:
    """Create the datasets and `<source>_schema` from each contract; add columns it has gained."""
    for layer in DATASETS:
        warehouse.create_dataset(layer)
    for name in source_names():
        source = load_source(name)
        table = reference_table(source)
        warehouse.create_table("temp", table, source.landing_columns)
        have = {column.name for column in warehouse.columns("temp", table) or []}
        new = [column for column in source.columns if column.name not in have]
        if new and not any(column.is_required for column in new):
            warehouse.add_columns("temp", table, new)
