"""Which servers the tests of this folder are for."""

import os

import pytest

IS_GOOGLE = os.environ.get("TEST_TARGET") == "google"
# The source is none of these tests' business, and the settings want one.
SERVER_OF_NOBODY = {
    "POSTGRES_HOST": "127.0.0.1",
    "POSTGRES_DB": "none",
    "POSTGRES_USER": "none",
    "POSTGRES_PASSWORD": "none",
}
only_google = pytest.mark.skipif(
    not IS_GOOGLE,
    reason="the local servers do otherwise (docs/explanation/fidelity.md): make test-cloud",
)
