"""Pages of other software, sealed: they show what they contain and send no request.

Both are laid out for a desk. A phone shows all of that width, and zooms.
"""

import re

from credix.core.errors import StepError

# A browser would warn of every request that a policy forbids: the page must not try any. Its
# requests for an account and for statistics get an empty answer from the page itself.
GUARD = """<script>
(() => {
  const open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, _address, ...rest) {
    return open.call(this, "GET", "data:application/json,{}", ...rest);
  };
  const answer = () => new Response("{}", { headers: { "Content-Type": "application/json" } });
  window.fetch = () => Promise.resolve(answer());
  navigator.sendBeacon = () => true;
})();
</script>"""
# The second line of defence.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'unsafe-inline\' '
    "'unsafe-eval' data: blob:; form-action 'none'; base-uri 'none'\">"
)
DESK = "width=1280"
VIEWPORT = f'<meta name="viewport" content="{DESK}" />'
META_VIEWPORT = re.compile(r'<meta name="viewport"[^>]*>')
LINK = re.compile(r"<link\b[^>]*>")
# A browser fetches what an attribute names before dbt's program has filled the template.
CATALOG = {
    b'<use xlink:href="{{': b'<use ng-attr-xlink:href="{{',
    b"""href="${require('./assets/favicons/favicon.ico')}\"""": b'href="data:,"',
    b"width=device-width,minimum-scale=1,maximum-scale=1,initial-scale=1": DESK.encode(),
}
# What is between the begin of the head and the page's own program.
HEAD = re.compile(r"(<head>)(.*?)(?=<script\b|</head>)", re.DOTALL)


def seal(page: str) -> str:
    """Return the page without requests to other hosts, for a bucket or a folder of one's own.

    Raises StepError when it is not a page with a head.
    """
    head = HEAD.search(page)
    if head is None:
        raise StepError("Elementary's page has no head: it cannot be published safely.")
    own = META_VIEWPORT.sub("", LINK.sub("", head[2]))
    sealed = f"<head>{POLICY}{GUARD}{VIEWPORT}{own}"
    return page[: head.start()] + sealed + page[head.end() :]


def seal_catalog(page: bytes) -> bytes:
    """Dbt's page of catalog and lineage, whose templates and icon ask for files that it lacks."""
    for asks, asks_nobody in CATALOG.items():
        page = page.replace(asks, asks_nobody)
    return page
