"""An executed notebook as one HTML page that opens without a network."""

from functools import cache

import bleach
import nbformat
from bleach.css_sanitizer import CSSSanitizer
from nbconvert import HTMLExporter
from papermill.execute import ERROR_MARKER_TAG
from traitlets.config import Config

from credix.pipeline.notebooks.mark_end import find_error

# What prose, tables and plots need; a script or a frame in an output stays text.
SAFE_TAGS = {
    *("a", "b", "blockquote", "br", "caption", "code", "div", "em", "h1", "h2", "h3", "h4", "hr"),
    *("i", "img", "li", "ol", "p", "pre", "span", "strong", "style", "table", "tbody", "td", "th"),
    *("thead", "tr", "ul"),
}
SAFE_ATTRIBUTES = {
    "*": ["class", "id", "style"],
    "a": ["href"],
    "img": ["src", "alt", "width", "height"],
}


# Without an icon a browser asks the server for one. Wide tables scroll in a box of their own; long
# words, as names of tests, break before that.
STYLE = """<link rel="icon" href="data:,">
<style>
.jp-OutputArea-output { overflow-x: auto; }
.jp-RenderedHTMLCommon td { max-width: 26em; overflow-wrap: break-word; }
@media (max-width: 760px) {
  .jp-RenderedHTMLCommon td { max-width: 16em; }
  .jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th { padding: 0.4em; }
}
@media print {
  .jp-RenderedHTMLCommon tr, .jp-RenderedImage { break-inside: avoid; }
}
</style>
</head>"""
# Lab's template leaves out what a picture says of itself.
TEMPLATE = """{% extends "lab/index.html.j2" %}
{% block data_png scoped %}
{%- set alt = output | get_metadata("alt", "image/png") or "plot" -%}
{{ super() | replace("<img ", '<img alt="' ~ alt | escape_html ~ '" ', 1) }}
{% endblock data_png %}"""


@cache
def page_exporter() -> HTMLExporter:
    """Return the exporter of this process, which has compiled its templates once."""
    exporter = HTMLExporter(
        template_name="lab",
        config=Config(
            {
                "HTMLExporter": {
                    "mathjax_url": "",
                    "require_js_url": "",
                    "jquery_url": "",
                    "widget_renderer_url": "",
                    "html_manager_semver_range": "",
                    "sanitize_html": True,
                    "embed_images": True,
                },
                # The banner above it says more.
                "TagRemovePreprocessor": {
                    "enabled": True,
                    "remove_cell_tags": {ERROR_MARKER_TAG},
                },
            }
        ),
    )
    # They take no value from a configuration.
    exporter.mermaid_js_url = exporter.mermaid_layout_elk_js_url = ""
    exporter.raw_template = TEMPLATE
    exporter.register_filter("clean_html", clean_html)
    return exporter


def render_page(notebook: str) -> str | None:
    """Return the notebook as one HTML page that opens without a network, now and in ten years.

    None for half a notebook, which a full disk leaves.
    """
    try:
        body, _ = page_exporter().from_notebook_node(nbformat.reads(notebook, as_version=4))
    except nbformat.reader.NotJSONError:
        return None
    return body.replace("</head>", STYLE, 1)


def find_failed_cell(notebook: str) -> str | None:
    """Return the id of the cell that raised; on its page the element `cell-id=<id>`."""
    for cell in nbformat.reads(notebook, as_version=4).cells:
        if find_error(cell):
            return str(cell.id)
    return None


def clean_html(element: str) -> str:
    """Return an output's HTML with safe tags only; nbconvert's list has no table heads."""
    return bleach.clean(
        str(element), tags=SAFE_TAGS, attributes=SAFE_ATTRIBUTES, css_sanitizer=CSSSanitizer()
    )
