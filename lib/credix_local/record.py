"""What a stack remembers between starts: its ports, its password, where PostgreSQL's data is."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from credix.core.errors import StackError
from credix_local import process
from credix_local.files import remove, write_private

FILE = "stack.json"
PORT_NAMES = ("postgres", "gcs", "bigquery", "bigquery_grpc")


@dataclass
class Record:
    """`<folder>/stack.json`. `postgres_home` is relative to the folder unless it is outside."""

    stack_id: str
    folder: str
    password: str
    ports: dict[str, int] = field(default_factory=dict)
    with_postgres: bool = True
    postgres_home: str | None = None

    @classmethod
    def new(cls, folder: Path) -> Self:
        ports: dict[str, int] = {}
        for name in PORT_NAMES:
            ports[name] = process.choose_port(set(ports.values()))
        return cls(secrets.token_hex(8), str(folder), secrets.token_urlsafe(24), ports)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Return the record of a folder, None without one; raises StackError when it is damaged."""
        path = folder / FILE
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise StackError(
                f"{path} cannot be read ({type(error).__name__}): reset the stack by "
                "./run_pipeline.py reset."
            ) from None

    def save(self, folder: Path) -> None:
        write_private(folder / FILE, json.dumps(asdict(self), indent=1))


def open_record(folder: Path, messages: list[str]) -> Record:
    """Return the record to start with.

    The folder's own, or a new one for a new or copied folder.
    """
    record = Record.load(folder)
    if record is None:
        return Record.new(folder)
    if record.folder == str(folder):
        return record
    if is_copy(record):
        messages.append(f"The stack is a copy of {record.folder}: it got ports of its own.")
        return separate(record, folder)
    messages.append(f"The stack moved here from {record.folder}.")
    record.folder = str(folder)
    return record


def is_copy(record: Record) -> bool:
    """Whether the folder of the record still holds the same stack, so that ours is its copy."""
    try:
        original = Record.load(Path(record.folder))
    except StackError:
        return False
    return original is not None and original.stack_id == record.stack_id


def separate(record: Record, folder: Path) -> Record:
    """A record for a copy, which must not touch the servers and outside data of the original."""
    remove(folder / "run")
    new = Record.new(folder)
    new.password = record.password
    if record.postgres_home and not Path(record.postgres_home).is_absolute():
        new.postgres_home = record.postgres_home
    return new
