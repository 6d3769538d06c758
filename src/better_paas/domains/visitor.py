"""What a visitor may not say of itself: headers in which proxies tell who is behind them. Apps believe them."""

from itertools import product
from typing import Any

# The ingress writes these itself, from what it sees.
_OURS = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP")
# Of these it writes none, so an app that finds one takes the visitor's word for it.
_FOREIGN = (
    "Forwarded", "True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "CF-IPCountry", "Fastly-Client-IP",
    "Fly-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Azure-ClientIP", "X-Appengine-User-IP",
    "X-Envoy-External-Address", "X-ProxyUser-IP", "X-Forwarded", "X-Forwarded-By", "X-Forwarded-Port",
    "X-Forwarded-Prefix", "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Original-URL",
    "X-Rewrite-URL", "X-Original-Forwarded-For", "Front-End-Https", "Client-IP", "Forwarded-For", "X-Original-Host",
    "X-Remote-IP", "X-Remote-Addr", "X-Originating-IP", "Proxy-Client-IP", "WL-Proxy-Client-IP", "WL-Proxy-SSL",
    "X-Coming-From", "Coming-From", "X-HTTP-Host-Override", "X-Forwarded-Client-Cert",
    "DO-Connecting-IP", "CF-Pseudo-IPv4", "CF-Visitor", "Ali-CDN-Real-IP", "CDN-Src-IP",
    "X-Vercel-Forwarded-For", "X-Nf-Client-Connection-IP", "X-Sucuri-ClientIP", "Incap-Client-IP",
)  # fmt: skip


def cleaning(behind_proxies: bool) -> dict[str, Any]:
    """A route before all others. behind_proxies: those that are trusted may say all of it."""
    names = [name for foreign in _FOREIGN for name in _spellings(foreign)]
    names += [name for ours in _OURS for name in _spellings(ours) if name != ours]
    route: dict[str, Any] = {"handle": [{"handler": "headers", "request": {"delete": names}}]}
    if behind_proxies:
        route["match"] = [{"not": [{"vars": {"trusted_proxy": ["true"]}}]}]
    return route


def _spellings(name: str) -> list[str]:
    """To an app behind CGI or WSGI, '_' and '-' in the name of a header are one."""
    words = name.split("-")
    return [
        words[0] + "".join(mark + word for mark, word in zip(marks, words[1:], strict=True))
        for marks in product("-_", repeat=len(words) - 1)
    ]
