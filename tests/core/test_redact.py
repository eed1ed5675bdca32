"""Secrets out of everything that is saved."""

from urllib.parse import quote, quote_plus

import pytest

from credix.cli import main
from credix.core.redaction import REDACTED, Redactor
from credix.core.results import ExtractResult, parse_manifest
from tests.pipeline.manifests import extracted, manifest

SECRET = "p@ss/w0rd &<é>'\"\\x"
REDACTOR = Redactor([SECRET])


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        repr(SECRET)[1:-1],
        "p@ss/w0rd &<\\u00e9>'\\\"\\\\x",
        "p@ss/w0rd &amp;&lt;é&gt;&#x27;&quot;\\x",
        "p@ss/w0rd &amp;&lt;é&gt;'\"\\x",
    ],
    ids=["as it is", "in a URL", "in a form", "in a repr", "in JSON", "in HTML", "in HTML text"],
)
def test_a_secret_is_found_in_every_form_it_is_written_in(written: str) -> None:
    assert REDACTOR.text(f"before {written} after") == f"before {REDACTED} after"


def test_colours_of_a_traceback_do_not_hide_it() -> None:
    coloured = "\x1b[0;31m".join(["p@s", "s/w0rd &<é>'", '"\\x'])
    assert "w0rd" not in REDACTOR.text(f"password=\x1b[1m{coloured}\x1b[0m")


def test_it_is_found_everywhere_in_a_value_keys_included() -> None:
    value = {f"key {SECRET}": [SECRET, {"deep": f"x{SECRET}x"}], "n": 1, "none": None, "yes": True}
    assert REDACTOR.value(value) == {
        f"key {REDACTED}": [REDACTED, {"deep": f"x{REDACTED}x"}],
        "n": 1,
        "none": None,
        "yes": True,
    }


def test_several_times_on_several_lines() -> None:
    assert REDACTOR.text(f"{SECRET}\n{SECRET}{SECRET}") == f"{REDACTED}\n{REDACTED}{REDACTED}"


def test_a_secret_within_another_leaves_no_rest() -> None:
    assert Redactor(["word", "password"]).text("a password") == f"a {REDACTED}"


@pytest.mark.parametrize("short", ["", "a", "abc"])
def test_a_short_secret_does_not_blacken_ordinary_words(short: str) -> None:
    assert Redactor([short]).text("abc and more") == "abc and more"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://user:pw@host/db", f"postgresql://user:{REDACTED}@host/db"),
        (
            "postgresql+psycopg2://u:p/w:x@h:5432/db",
            f"postgresql+psycopg2://u:{REDACTED}@h:5432/db",
        ),
        ("postgresql://user:p@ss@host/db", f"postgresql://user:{REDACTED}@host/db"),
        ("redis://:pw@host", f"redis://:{REDACTED}@host"),
    ],
)
def test_a_password_in_a_url_is_redacted_even_when_nobody_named_it(url: str, expected: str) -> None:
    assert Redactor([]).text(f"connecting to {url} now") == f"connecting to {expected} now"


@pytest.mark.parametrize("password", ["temp", "2026", "done", "01_extract", "p@ss/w0rd"])
def test_a_manifest_can_be_read_after_any_password_was_removed(password: str) -> None:
    messages = (f"the password is {password}",)
    whole = manifest(
        error=messages[0], steps={"installments": {"01_extract": extracted(messages=messages)}}
    )
    redacted = Redactor([password]).record(whole)
    assert redacted.error == f"the password is {REDACTED}"
    kept = redacted.steps["installments"]["01_extract"]
    assert isinstance(kept, ExtractResult)
    assert kept.messages == (redacted.error,)
    found = parse_manifest(redacted.model_dump_json())
    assert found == redacted
    assert (found.run_id, found.status, found.sources) == (
        whole.run_id,
        whole.status,
        whole.sources,
    )


@pytest.mark.parametrize(
    "text",
    [
        "gs://bucket/path/file.parquet",
        "http://127.0.0.1:8080/lab and someone@mail.example",
        "a: b@c",
        "12:30 someone@mail.example",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert REDACTOR.text(text) == text


def test_a_traceback_of_the_product_itself_holds_no_secret_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "canary-password")
    monkeypatch.setenv("CREDIX_ALERT_URLS", "slack://canary-token/x\njson://canary-host/")
    text = main.redacted("canary-password at slack://canary-token/x, json://canary-host/")
    assert "canary" not in text
