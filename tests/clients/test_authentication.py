"""Logging in as on Google, against a server that gives tokens.

A key file names its own token server. The service that impersonates cannot be named by the user, so
its address is put into the library here; the requests and answers are the real ones.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dbt.adapters.bigquery.credentials import BigQueryCredentials, create_google_credentials
from dbt.config.profile import Profile
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import set_invocation_context
from google.auth import iam
from google.auth.transport.requests import Request

from credix.clients.bigquery.table_reader import TableReader
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.dbt.project import PROJECT
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.clients.notifications import Channels
from credix.core.errors import CredixError, SettingsError, TransientError
from credix.core.settings import Settings
from credix.operations.doctor import check_dbt_account
from tests.faults import faulty_server

OWN, TAKEN_ON = "token-of-the-key", "token-of-the-account"
ACCOUNT = "workbook@credix-local.iam.gserviceaccount.com"
OF_DBT = "dbt@credix-local.iam.gserviceaccount.com"
DENIED = {"code": 403, "message": "Permission denied.", "status": "PERMISSION_DENIED"}
CLOUD = "https://www.googleapis.com/auth/cloud-platform"


class TokenServer:
    """Gives tokens to keys, and those of an account to who has a token."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, str]] = []
        self.key_answer: tuple[int, dict[str, Any]] = (
            200,
            {"access_token": OWN, "expires_in": 3600, "token_type": "Bearer"},
        )
        expires = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        self.account_answer: tuple[int, dict[str, Any]] = (
            200,
            {"accessToken": TAKEN_ON, "expireTime": expires},
        )
        self.refused: set[str] = set()
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                tokens.asked.append((self.path, self.headers.get("Authorization"), body))
                is_key = self.path == "/token"
                status, told = tokens.key_answer if is_key else tokens.account_answer
                if any(account in self.path for account in tokens.refused):
                    status, told = 403, {"error": DENIED}
                content = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    made = TokenServer()
    Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def private_key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return made.private_bytes(encoding, form, plain).decode()


@pytest.fixture
def logged_in(
    tokens: TokenServer,
    private_key: str,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """The settings of somebody who has a key file."""
    key = {
        "type": "service_account",
        "project_id": settings.gcp_project,
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "somebody@credix-local.iam.gserviceaccount.com",
        "token_uri": f"{tokens.address}/token",
    }
    file = tmp_path / "key.json"
    file.write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    endpoint = f"{tokens.address}/v1/projects/-/serviceAccounts/{{}}:generateAccessToken"
    monkeypatch.setattr(iam, "_IAM_ENDPOINT", endpoint)
    return settings.model_copy(update={"google_credentials": "default", "retry_seconds": 1})


@pytest.fixture
def impersonating(logged_in: Settings) -> Settings:
    return logged_in.model_copy(update={"impersonated_account": ACCOUNT})


def ask(settings: Settings) -> set[str | None]:
    """The tokens that GCS, BigQuery and Pub/Sub see."""
    with (
        faulty_server(settings.storage_endpoint or "") as storage,
        faulty_server(settings.bigquery_endpoint or "") as bigquery,
    ):
        endpoints = {"storage_endpoint": storage.address, "bigquery_endpoint": bigquery.address}
        led = settings.model_copy(update=endpoints)
        Lake(led, Effects(1)).objects(led.lake_bucket, "nothing")
        Warehouse(led, Effects(1)).query("SELECT 1")
        topic = {"alert_topic": "projects/p/topics/t", "pubsub_endpoint": storage.address}
        storage.plan = lambda _: "404"
        with pytest.raises(TransientError, match="CREDIX_ALERT_TOPIC"):
            Channels(led.model_copy(update=topic)).send("title", "text", {"event": "alert"})
        return {*storage.tokens, *bigquery.tokens}


def refused(settings: Settings) -> list[CredixError]:
    """How each client says that it has no token."""
    acts = (
        lambda: Lake(settings, Effects(1)).objects(settings.lake_bucket, ""),
        lambda: Warehouse(settings, Effects(1)).query("SELECT 1"),
        lambda: TableReader(settings, Effects(1)).read("temp", "t", ["id"], "", 1),
    )
    told = []
    for act in acts:
        with pytest.raises(CredixError) as error:
            act()
        assert "\n" not in str(error.value)
        assert OWN not in str(error.value)
        told.append(error.value)
    return told


class TestTokens:
    def test_a_key_file_is_used_where_the_user_names_one(
        self, logged_in: Settings, tokens: TokenServer
    ) -> None:
        assert ask(logged_in) == {f"Bearer {OWN}"}
        assert {path for path, _, _ in tokens.asked} == {"/token"}

    def test_with_an_account_to_impersonate_every_service_sees_its_token(
        self, impersonating: Settings, tokens: TokenServer
    ) -> None:
        assert ask(impersonating) == {f"Bearer {TAKEN_ON}"}
        path, token, body = tokens.asked[-1]
        assert (path, token) == (
            f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
            f"Bearer {OWN}",
        )
        assert json.loads(body)["scope"] == [CLOUD]

    def test_dbt_takes_on_the_same_account(
        self, impersonating: Settings, tokens: TokenServer
    ) -> None:
        set_invocation_context(impersonating.variables())
        profiles = yaml.safe_load((PROJECT / "profiles.yml").read_text("utf-8"))
        for name in ("business_case", "elementary"):
            rendered = ProfileRenderer({}).render_data(profiles[name]["outputs"]["prod"])
            parsed = Profile._credentials_from_profile(rendered, name, "prod")
            assert isinstance(parsed, BigQueryCredentials)
            made = create_google_credentials(parsed)
            made.refresh(Request())
            assert made.token == TAKEN_ON
        assert ACCOUNT in tokens.asked[-1][0]


class TestDbtsOwnAccount:
    """A person who works as the operator, with the settings that Terraform prints."""

    @pytest.fixture
    def working(self, impersonating: Settings) -> Settings:
        return impersonating.model_copy(update={"dbt_account": OF_DBT})

    def test_doctor_asks_for_its_token_as_dbt_does(
        self, working: Settings, tokens: TokenServer
    ) -> None:
        assert check_dbt_account(working) == OF_DBT
        path, token, _ = tokens.asked[-1]
        assert (OF_DBT in path, token) == (True, f"Bearer {OWN}")

    def test_a_person_who_may_take_on_the_operator_alone_is_told_what_is_missing(
        self, working: Settings, tokens: TokenServer
    ) -> None:
        tokens.refused.add(OF_DBT)
        assert ask(working) == {f"Bearer {TAKEN_ON}"}
        with pytest.raises(SettingsError, match="CREDIX_DBT_IMPERSONATE_SERVICE_ACCOUNT") as error:
            check_dbt_account(working)
        assert "roles/iam.serviceAccountTokenCreator" in str(error.value)

    def test_without_one_dbt_works_as_everything_else(
        self, impersonating: Settings, settings: Settings
    ) -> None:
        assert check_dbt_account(impersonating) == ACCOUNT
        assert "takes any token" in check_dbt_account(settings)


class TestErrors:
    def test_no_credentials(self, logged_in: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
        for error in refused(logged_in):
            assert isinstance(error, SettingsError)
            assert "No Google credentials" in str(error)
            assert "gcloud auth application-default login" in str(error)

    def test_a_file_that_is_no_key(self, logged_in: Settings, tmp_path: Path) -> None:
        (tmp_path / "key.json").write_text("{")
        assert {type(error) for error in refused(logged_in)} == {SettingsError}

    def test_a_key_that_was_taken_back(self, logged_in: Settings, tokens: TokenServer) -> None:
        gone = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        tokens.key_answer = (400, gone)
        for error in refused(logged_in):
            assert isinstance(error, SettingsError)
            assert "refuses the credentials (invalid_grant" in str(error)
            assert "GOOGLE_APPLICATION_CREDENTIALS" in str(error)

    def test_an_account_that_may_not_be_impersonated(
        self, impersonating: Settings, tokens: TokenServer
    ) -> None:
        tokens.account_answer = (403, {"error": DENIED})
        for error in refused(impersonating):
            assert isinstance(error, SettingsError)
            assert "roles/iam.serviceAccountTokenCreator" in str(error)
            assert "CREDIX_IMPERSONATE_SERVICE_ACCOUNT" in str(error)

    def test_a_server_of_tokens_that_is_busy(
        self, impersonating: Settings, tokens: TokenServer
    ) -> None:
        tokens.account_answer = (503, {"error": {"code": 503, "message": "Try later."}})
        assert {type(error) for error in refused(impersonating)} == {TransientError}
        assert len(tokens.asked) > 6
