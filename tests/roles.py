"""Roles of the source database that may do less than the tests' own."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from pydantic import SecretStr

from credix.core.settings import Settings
from tests.tables import Table


@contextmanager
def ordinary_role(settings: Settings, table: Table) -> Iterator[Settings]:
    """Settings of a role that may use the schema and nothing else; it is dropped at the end."""
    name = f"r_{uuid4().hex[:8]}"
    table.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'ordinary'")
    table.execute(f"GRANT USAGE ON SCHEMA {settings.postgres_schema} TO {name}")
    yield settings.model_copy(
        update={"postgres_user": name, "postgres_password": SecretStr("ordinary")}
    )
    table.execute(f"DROP OWNED BY {name}")
    table.execute(f"DROP ROLE {name}")
