"""Elementary's page, sealed: it shows what it carries and asks no other host for anything."""

import re

from credix.errors import StepError

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
# The page is laid out for a desk: a phone shows it whole and zooms in, instead of cutting it off.
VIEWPORT = '<meta name="viewport" content="width=1280" />'
META_VIEWPORT = re.compile(r'<meta name="viewport"[^>]*>')
LINK = re.compile(r"<link\b[^>]*>")
# What lies between the begin of the head and the page's own program.
HEAD = re.compile(r"(<head>)(.*?)(?=<script\b|</head>)", re.DOTALL)


def seal(page: str) -> str:
    """The page without requests to other hosts, for a bucket or a folder of one's own.

    Raises StepError when it is not a page with a head.
    """
    head = HEAD.search(page)
    if head is None:
        raise StepError("Elementary's page has no head: it cannot be published safely.")
    own = META_VIEWPORT.sub(VIEWPORT, LINK.sub("", head[2]))
    return f"{page[: head.start()]}<head>{POLICY}{GUARD}{own}{page[head.end() :]}"
