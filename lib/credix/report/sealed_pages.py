"""Pages of other software, sealed: they show what they carry and ask nobody for anything.

Elementary's page is laid out for a desk; a phone gets its parts one below the other.
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
VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1" />'
# Places, and names of MUI's that hold from one release to the next. The menu becomes a strip of the
# links that lead somewhere, a tree of tables lies above what is shown of them; only what is wider
# than the phone scrolls sideways, in its own box.
PHONE = """<style>
@media (max-width: 760px) {
  #root > div, #root > div > div { min-width: 0 !important; width: 100% !important; }
  #root > div > div:first-child > div:first-child,
  #root > div > div:first-child > div:first-child > div { width: auto !important;
    min-width: 0 !important; }
  #root > div > div:first-child button { display: none; }
  #root > div > div:nth-child(2) { flex-direction: column !important; }
  #root > div > div:nth-child(2) > div:first-child { flex: none; }
  #root > div > div:nth-child(2) > div:first-child * { min-width: 0 !important; }
  #root > div > div:nth-child(2) > div:first-child,
  #root > div > div:nth-child(2) > div:first-child > div,
  #root > div > div:nth-child(2) > div:first-child > div > div:first-child {
    width: 100% !important; height: 42px !important; }
  #root > div > div:nth-child(2) > div:first-child > div > div:first-child {
    flex-direction: row !important; overflow: auto hidden !important; margin: 0 !important;
    padding: 0 !important; }
  #root > div > div:nth-child(2) > div:first-child > div > div:first-child > div {
    flex-direction: row !important; flex: none; }
  #root > div > div:nth-child(2) > div:first-child > div > div:last-child,
  #root > div > div:nth-child(2) > div:first-child > div > div > div > div:not(:has(> a)) {
    display: none !important; }
  #root > div > div:nth-child(2) > div:first-child a > div { width: auto !important;
    padding: 0 14px 0 10px !important; white-space: nowrap; }
  #root > div > div:nth-child(2) > div:nth-child(2) { flex: 1; min-height: 0; width: 100%; }
  .MuiGrid-container:has(> .react-draggable) { flex-direction: column !important;
    height: auto !important; }
  .MuiGrid-container:has(> .react-draggable) > .MuiGrid-item { flex: none !important;
    width: 100% !important; max-width: 100% !important; height: 80vh !important; }
  .MuiGrid-container:has(> .react-draggable) > .MuiGrid-item:first-child {
    height: 34vh !important; }
  .react-draggable { display: none !important; }
}
</style>"""
META_VIEWPORT = re.compile(r'<meta name="viewport"[^>]*>')
LINK = re.compile(r"<link\b[^>]*>")
# A browser fetches what an attribute names before dbt's program has filled the template.
CATALOG = {
    b'<use xlink:href="{{': b'<use ng-attr-xlink:href="{{',
    b"""href="${require('./assets/favicons/favicon.ico')}\"""": b'href="data:,"',
    b"width=device-width,minimum-scale=1,maximum-scale=1,initial-scale=1": b"width=1024",
}
# What lies between the begin of the head and the page's own program.
HEAD = re.compile(r"(<head>)(.*?)(?=<script\b|</head>)", re.DOTALL)


def seal(page: str) -> str:
    """The page without requests to other hosts, for a bucket or a folder of one's own.

    Raises StepError when it is not a page with a head.
    """
    head = HEAD.search(page)
    if head is None:
        raise StepError("Elementary's page has no head: it cannot be published safely.")
    own = META_VIEWPORT.sub("", LINK.sub("", head[2]))
    sealed = f"<head>{POLICY}{GUARD}{VIEWPORT}{PHONE}{own}"
    return page[: head.start()] + sealed + page[head.end() :]


def seal_catalog(page: bytes) -> bytes:
    """Dbt's page of catalog and lineage, whose templates and icon ask for files that are not there.

    A phone may zoom it: it shows two columns side by side.
    """
    for asks, asks_nobody in CATALOG.items():
        page = page.replace(asks, asks_nobody)
    return page
