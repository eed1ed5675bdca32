"""The session on the source: how it is encrypted."""

import pytest

from credix.clients.postgres import SourceConnection, translate
from credix.errors import SourceError
from credix.settings import Settings


def test_a_server_that_does_not_encrypt_is_refused_where_it_has_to(settings: Settings) -> None:
    strict = settings.model_copy(update={"postgres_sslmode": "require"})
    with pytest.raises(SourceError, match=r"does not support SSL.*Correct POSTGRES_SSLMODE"):
        SourceConnection(strict)


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    line = 'root certificate file "ca.pem" does not exist'
    assert "POSTGRES_SSLROOTCERT" in str(translate(None, line, "db:5432"))
