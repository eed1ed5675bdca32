"""How the tests of the stack reach its servers and see their processes."""

import os
import sys
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage

from credix_local.record import Record

LOCATION = "southamerica-east1"
# Google's client takes None for no retry, whatever its types say.
NO_RETRY: dict[str, Any] = {"retry": None}
ONCE: dict[str, Any] = {**NO_RETRY, "job_retry": None}


def connect_postgres(variables: dict[str, str]) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=variables["POSTGRES_HOST"],
        port=variables["POSTGRES_PORT"],
        dbname=variables["POSTGRES_DB"],
        user=variables["POSTGRES_USER"],
        password=variables["POSTGRES_PASSWORD"],
    )


def start_command(folder: Path) -> list[str]:
    """A process of its own that starts the stack."""
    code = "import pathlib; from credix_local import stack; stack.start(pathlib.Path(%r))"
    return [sys.executable, "-c", code % str(folder)]


def processes() -> list[psutil.Process]:
    return list(psutil.process_iter(["cmdline"]))


def servers_of(folder: Path) -> list[str]:
    """Command lines of living processes with an argument in the folder, or outside for it."""
    record = Record.load(folder)
    places = [str(folder), str(folder / (record.postgres_home or "x")) if record else str(folder)]
    found = []
    for one in processes():
        line = " ".join(one.info["cmdline"] or [])
        if any(place in line for place in places) and one.pid != os.getpid():
            found.append(line)
    return found


def sockets_of(found: psutil.Process) -> list[Any]:
    try:
        return [one for one in found.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return []


def connect_bigquery(variables: dict[str, str]) -> bigquery.Client:
    return bigquery.Client(
        project=variables["GCP_PROJECT"],
        credentials=AnonymousCredentials(),
        location=LOCATION,
        client_options={"api_endpoint": variables["BIGQUERY_EMULATOR_HOST"]},
    )


def connect_storage(variables: dict[str, str]) -> storage.Client:
    return storage.Client(
        project=variables["GCP_PROJECT"],
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": variables["STORAGE_EMULATOR_HOST"]},
    )
