"""The page of a notebook on a desk and on a phone: only the boxes within it scroll sideways."""

import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from credix.pipeline.notebooks.render_page import render_page
from credix.workbook.show import table

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
LONG_NAME = "known_values_" + "company_payment_summary_EXCELLENT_GOOD_FAIR_POOR_" * 4
TELL = """<script>addEventListener("load", () => parent.postMessage(
[document.documentElement.scrollWidth, document.querySelector("td.col1").scrollWidth].join(), "*"));
</script></body>"""
FRAME = """<iframe src="page.html" style="width: {}px; height: 800px; border: 0"></iframe>
<script>addEventListener("message", (told) => {{ document.title = "told " + told.data; }});</script>
"""


def page() -> str:
    """A notebook with a table that is wide and has long names, and a long line of text."""
    columns = {"status": ["pass"], "name": [LONG_NAME]}
    wide = table(pd.DataFrame({**columns, **{f"column {n}": [10**9] for n in range(20)}}))
    shown = nbformat.v4.new_output("execute_result", data={"text/html": wide.to_html()})
    printed = nbformat.v4.new_output("stream", text="x" * 500)
    cell = nbformat.v4.new_code_cell("a = 1  # " + "long " * 60, outputs=[printed, shown])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    made = render_page(nbformat.writes(notebook))
    assert made is not None
    return made


def test_a_plot_is_described_to_who_cannot_see_it() -> None:
    picture = nbformat.v4.new_output(
        "display_data",
        data={"image/png": "iVBORw0KGgo="},
        metadata={"image/png": {"alt": 'Overdue, "million" BRL', "width": 600}},
    )
    cell = nbformat.v4.new_code_cell("1", outputs=[picture])
    made = render_page(nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))) or ""
    [described] = re.findall("<img [^>]*>", made)
    assert "Overdue, " in described
    assert "No description" not in described
    assert 'width="600"' in described


def test_it_names_no_other_host() -> None:
    assert not re.search(r"<(?:script|link|img)[^>]*(?:src|href)=.https?://", page())
    assert "cdnjs" not in page()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: the page is not laid out")
@pytest.mark.parametrize("width", [1280, 390])
def test_it_does_not_scroll_sideways_and_long_names_break(tmp_path: Path, width: int) -> None:
    (tmp_path / "page.html").write_text(page().replace("</body>", TELL), "utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width), "utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000"]
    folder = f"--user-data-dir={tmp_path / 'browser'}"
    ended = subprocess.run(
        [str(BROWSER), *options, folder, "--dump-dom", f"file://{frame}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = re.search(r"<title>told (\d+),(\d+)</title>", ended.stdout)
    assert told is not None, ended.stdout[:500]
    assert int(told[1]) == width
    assert int(told[2]) < 450
