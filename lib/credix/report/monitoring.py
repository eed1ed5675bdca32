"""05: Elementary watches the medallion tables where it is installed, and its page is published."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow.parquet as pq

from credix.clients.dbt import results
from credix.clients.elementary import PAGE_DAYS, Elementary, find_packages
from credix.core.addresses import page_address
from credix.core.errors import CredixError
from credix.core.paths import paths_of, results_table
from credix.core.redaction import without_values
from credix.core.results import FAILED, DbtNode, Monitoring, MonitorVerdict
from credix.report.sealed_pages import seal
from credix.state.run import Run

# Results of runs that are older than Elementary's page shows are not looked for.
LOOKS_BACK = timedelta(days=PAGE_DAYS)
# Result files that are downloaded at a time.
DOWNLOADS = 8
ABSENT = "Elementary is not installed: ./run_pipeline.py install-elementary"
IN_SANDBOX = "A sandbox run is not watched: its tables and its page are temporary."
COLUMNS = ["monitor", "table", "status", "seconds", "finding"]


def monitor(run: Run) -> Monitoring:
    """Let Elementary take up the results of dbt, run its monitors, publish its page and alert.

    Its own failure is reported in the result and fails no run: the numbers were tested before. The
    result has `status` (done, absent or failed), a `reason`, and of a run that got so far the
    `monitors` with their findings and the address of the `page`.
    """
    started = time.monotonic()
    monitors: tuple[MonitorVerdict, ...] = ()
    page: str | None = None
    status: Literal["done", "failed"] = "done"
    reason = ""
    if run.is_sandbox:
        return Monitoring(reason=IN_SANDBOX)
    try:
        packages = find_packages(run.settings)
        if packages is None:
            return Monitoring(reason=ABSENT)
        elementary = Elementary(run.settings, run.effects, run.folder, packages)
        prepare(run, elementary)
        monitors = watch(run, elementary)
        page = publish(run, elementary.render_page())
        webhook = run.settings.elementary_webhook
        if webhook:
            elementary.alert(webhook.get_secret_value())
    except CredixError as error:
        status, reason = "failed", str(error)
    return Monitoring(
        status=status,
        reason=reason,
        monitors=monitors,
        page=page,
        seconds=round(time.monotonic() - started, 3),
    )


def prepare(run: Run, elementary: Elementary) -> None:
    """Create Elementary's tables unless this version of it has."""
    tables = run.warehouse.tables("elementary", "dbt_invocations")
    if tables:
        sql = "SELECT max(elementary_version) AS version FROM `{}` WHERE project_name = @project"
        found = run.warehouse.query(
            sql.format(run.warehouse.table_id("elementary", "dbt_invocations")),
            project="observability",
        )
        if found[0]["version"] == elementary.version:
            return
    elementary.create_tables()


def watch(run: Run, elementary: Elementary) -> tuple[MonitorVerdict, ...]:
    """Run the monitors, with the results of the runs since the last time; what each has found."""
    table = hand_over_results(run)
    try:
        nodes = elementary.test(table)
    finally:
        if table:
            run.warehouse.drop("temp", table)
    return tuple(describe(node) for node in nodes if node.kind == "test")


def describe(node: DbtNode) -> MonitorVerdict:
    """Return a monitor's verdict.

    What it says of amounts are figures of a whole table, not of a row.
    """
    is_quiet = node.status not in FAILED | {"warn"}
    return MonitorVerdict(
        monitor=node.name,
        table=node.table,
        status=node.status,
        seconds=node.seconds,
        finding="" if is_quiet else node.message,
    )


def hand_over_results(run: Run) -> str:
    """Load the results that Elementary lacks into a temp table; its name, "" without any."""
    known = recorded_runs(run)
    found = result_files(run, known, first_day(known, datetime.now(UTC)))
    tables = [results.as_table(lines, run_id, job_of(run_id)) for run_id, lines in found]
    rows = results.concatenate(tables)
    if not rows.num_rows:
        return ""
    name = results_table(run.run_id)
    file = run.folder / f"{name}.parquet"
    pq.write_table(rows, file)
    path = paths_of(run.settings).results(run.run_id)
    bucket = run.settings.lake_bucket
    run.lake.upload("monitor.upload", bucket, path, file)
    job_id = f"{name}_{int(time.time())}"
    try:
        run.warehouse.load_parquet(
            "monitor.load", [f"gs://{bucket}/{path}"], "temp", name, results.COLUMNS, job_id
        )
    finally:
        run.lake.delete("monitor.delete", bucket, path)
    file.unlink()
    return name


def recorded_runs(run: Run) -> set[str]:
    """Return the runs whose results Elementary has."""
    table = run.warehouse.table_id("elementary", "dbt_invocations")
    found = run.warehouse.query(
        f"SELECT DISTINCT job_run_id FROM `{table}` WHERE job_run_id IS NOT NULL"
    )
    return {line["job_run_id"] for line in found}


def first_day(known: set[str], now: datetime) -> datetime:
    """Return the first day of which runs may be missing in Elementary.

    That is the day before the newest run that it has: a run's id begins with its start, and one
    may end after runs that began a day later.
    """
    newest = max(known, default="")[:8]
    began = datetime.strptime(newest, "%Y%m%d").replace(tzinfo=UTC) if newest.isdigit() else None
    earliest = now - LOOKS_BACK
    return max(began - timedelta(days=1), earliest) if began else earliest


def result_files(run: Run, known: set[str], since: datetime) -> Iterator[tuple[str, list[str]]]:
    """Run id and lines of every run since that day that is not known, and of this one.

    This one is not archived yet. The run of a file follows from its name: only what is new is
    downloaded, several files at a time.
    """
    root, bucket = paths_of(run.settings).runs, run.settings.archive_bucket
    days = (datetime.now(UTC) - since).days
    listed = [
        stored.name
        for number in range(days + 1)
        for stored in run.lake.objects(
            bucket, f"{root}dt={(since + timedelta(days=number)).date().isoformat()}/"
        )
    ]
    new = [
        name
        for name in listed
        if name.endswith(f"/{results.FILE}") and run_of(name) not in known | {run.run_id}
    ]
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        contents = pool.map(lambda name: run.lake.read_bytes(bucket, name), new)
        for name, content in zip(new, contents, strict=True):
            yield run_of(name), content.decode(errors="replace").splitlines()
    if run.run_id not in known:
        yield run.run_id, own_lines(run.folder)


def run_of(path: str) -> str:
    """Return the run whose folder in the archive holds a file."""
    return path.split("/")[-2]


def own_lines(folder: Path) -> list[str]:
    """Return the lines of a run's folder, slices included."""
    files = sorted(folder.rglob(results.FILE))
    return [line for file in files for line in file.read_text("utf-8").splitlines()]


def job_of(run_id: str) -> str:
    return run_id.split("-")[1] if run_id.count("-") == 2 else ""


def publish(run: Run, page: str) -> str:
    """Publish the page under the run's id and as the newest; return the newest one's address."""
    paths, bucket = paths_of(run.settings), run.settings.report_bucket
    content, kind = seal(page).encode(), "text/html; charset=utf-8"
    for path, cache_control in (
        (paths.elementary_report(run.run_id), "private, max-age=31536000, immutable"),
        (paths.elementary_index, "no-cache"),
    ):
        run.lake.replace("monitor.publish", bucket, path, content, kind, cache_control)
    return page_address(run.settings, bucket, paths.elementary_index)


def as_table(monitoring: Monitoring) -> pd.DataFrame:
    """Return one line per monitor, those that have found something first.

    Else why there are none.
    """
    if monitoring.reason:
        return pd.DataFrame({"Elementary": [without_values(monitoring.reason)]})
    lines = [one.model_dump() for one in monitoring.monitors]
    frame = pd.DataFrame(lines, columns=COLUMNS)
    return frame.sort_values(["status", "table"], key=lambda column: column.map(order))


def order(value: Any) -> Any:
    """Return a sort key: what has failed, then what warns, then the rest."""
    ranks = {"error": "0", "fail": "1", "runtime error": "0", "warn": "2", "pass": "3"}
    return ranks.get(value, value)
