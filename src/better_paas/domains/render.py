"""From the apps and their names to Caddy's configuration. Pure: the same table gives the same configuration."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from better_paas.domains import pages, visitor
from better_paas.domains.routing import Routing

# Beside an app's route file while its requests wait.
HOLD_FILE = "hold"
# The same as its route file, of a release that speaks HTTP/2 alone.
HTTP2_FILE = "h2c"
_MOST_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate that covers `pattern`: a host, or `*.` and a domain."""

    pattern: str
    certificate: str
    key: str

    def covers(self, host: str) -> bool:
        if self.pattern.startswith("*."):
            return host.partition(".")[2] == self.pattern[2:]
        return host == self.pattern


@dataclass(frozen=True)
class Name:
    """A host, or what of it lies below `path`, that leads to an app.

    https: it gets a certificate. redirect_to: visitors are sent to this host instead. strip: the app does not see
    the path. is_default: of the platform's own. age: smaller for those that were added earlier.
    """

    host: str
    https: bool = False
    path: str = ""
    strip: bool = False
    redirect_to: str = ""
    is_default: bool = False
    age: int = 0


@dataclass(frozen=True)
class Site:
    """An app and the names that lead to it.

    has_one_writer: its requests may have to wait for a change of releases. speaks_http2: one of its releases speaks
    HTTP/2 alone.
    """

    app_id: str
    names: tuple[Name, ...]
    has_one_writer: bool = False
    routing: Routing = field(default_factory=Routing)
    project_id: str = ""
    speaks_http2: bool = False


@dataclass(frozen=True)
class IngressSettings:
    """folder: Caddy's own. routes: where the route files are. hold_seconds: how long a request may be held."""

    folder: Path
    routes: Path
    address: str
    http_port: int
    https_port: int
    acme_email: str | None
    # Networks whose X-Forwarded-* headers are believed.
    proxies: tuple[str, ...] = ()
    hold_seconds: int = 120
    # A certificate authority other than the public one, and the file of its root.
    acme_directory: str = ""
    acme_root: str = ""
    # The name of the control plane, and where it listens.
    own_name: Name | None = None
    own_address: str = ""


# Where one proxy in front stands when its address is not told: on this machine or in a private network.
PRIVATE_NETWORKS = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")


def stopped_address(folder: Path) -> str:
    """What a route file holds while its app is stopped: a server inside Caddy that says so."""
    return f"unix/{folder}/stopped.sock"


def waiting_address(folder: Path) -> str:
    """What a route file holds while its app has no live release."""
    return f"unix/{folder}/waiting.sock"


def nobody_address(folder: Path) -> str:
    """What a route file holds while its app's requests wait: nothing ever listens there."""
    return f"unix/{folder}/nobody.sock"


def worker_address(folder: Path) -> str:
    """What a route file holds while its app serves no requests."""
    return f"unix/{folder}/worker.sock"


def render(sites: list[Site], settings: IngressSettings, certificates: Sequence[Certificate] = ()) -> dict[str, Any]:
    """The whole configuration. certificates: those that were got by other means than the ingress's own."""
    sites = sorted(sites, key=lambda site: site.app_id)
    named = [(name, site) for site in sites for name in sorted(site.names, key=lambda name: (name.host, name.path))]
    # The longest path wins; names that are nobody's prefix may stand in any order.
    named.sort(key=lambda entry: -len(entry[0].path))
    groups = _grouped(named)
    http: list[dict[str, Any]] = [_own_route(settings)] if settings.own_name and not settings.own_name.https else []
    https: list[dict[str, Any]] = [_own_route(settings)] if settings.own_name and settings.own_name.https else []
    for site, names in groups:
        http += _routes(site, [name for name in names if not name.https], settings, "http")
        https += _routes(site, [name for name in names if name.https], settings, "https")
        if not site.routing.force_https:
            http += _routes(site, [name for name in names if name.https], settings, "http")
    forced = {name.host for name, site in named if name.https and site.routing.force_https}
    https_hosts = sorted({name.host for name, _ in named if name.https})
    if settings.own_name and settings.own_name.https:
        https_hosts, forced = sorted({*https_hosts, settings.own_name.host}), forced | {settings.own_name.host}
    servers: dict[str, Any] = {
        "http": {
            # Without TLS, too, clients of what speaks HTTP/2 alone may speak it.
            **({"protocols": ["h1", "h2", "h2c"]} if any(site.speaks_http2 for site in sites) else {}),
            **_server(settings, settings.http_port, [*http, *_redirect(sorted(forced), settings), _not_found()]),
            "automatic_https": {"disable": True},
        },
        "stopped": _page_server(f"unix/{settings.folder}/stopped.sock", 503, pages.STOPPED),
        "waiting": _page_server(f"unix/{settings.folder}/waiting.sock", 503, pages.WAITING),
        "worker": _page_server(f"unix/{settings.folder}/worker.sock", 404, pages.WORKER),
    }
    apps: dict[str, Any] = {
        "http": {"http_port": settings.http_port, "https_port": settings.https_port, "servers": servers}
    }
    if https_hosts:
        covered = [certificate for certificate in certificates if any(map(certificate.covers, https_hosts))]
        own = [host for host in https_hosts if any(certificate.covers(host) for certificate in covered)]
        servers["https"] = {
            **_server(settings, settings.https_port, [*https, _not_found()]),
            "automatic_https": {"disable_redirects": True, **({"skip_certificates": own} if own else {})},
        }
        asked = [host for host in https_hosts if host not in own]
        apps["tls"] = (
            {"automation": {"policies": [{"subjects": asked, "issuers": [_issuer(settings)]}]}} if asked else {}
        )
        if covered:
            files = [{"certificate": found.certificate, "key": found.key} for found in covered]
            apps["tls"]["certificates"] = {"load_files": files}
    return {
        "admin": {"listen": f"unix/{settings.folder}/admin.sock|0600", "origins": ["localhost"]},
        "logging": {"logs": {"default": {"level": "WARN", "writer": _log_writer(settings.folder)}}},
        "apps": apps,
    }


def has_https(sites: list[Site], settings: IngressSettings) -> bool:
    names = [name for site in sites for name in site.names]
    return any(name.https for name in [*names, *([settings.own_name] if settings.own_name else [])])


def without_https(sites: list[Site], settings: IngressSettings) -> tuple[list[Site], IngressSettings]:
    """The same without the names that need a certificate: they are not served in the clear instead."""
    own = settings.own_name if settings.own_name and not settings.own_name.https else None
    kept = [replace(site, names=tuple(name for name in site.names if not name.https)) for site in sites]
    return kept, replace(settings, own_name=own)


def _grouped(named: list[tuple[Name, Site]]) -> list[tuple[Site, list[Name]]]:
    """Neighbours of one site together: an app's hosts share one route."""
    groups: list[tuple[Site, list[Name]]] = []
    for name, site in named:
        if groups and groups[-1][0].app_id == site.app_id and not name.path and not groups[-1][1][0].path:
            groups[-1][1].append(name)
        else:
            groups.append((site, [name]))
    return groups


def _issuer(settings: IngressSettings) -> dict[str, Any]:
    issuer: dict[str, Any] = {"module": "acme"}
    if settings.acme_email:
        issuer["email"] = settings.acme_email
    if settings.acme_directory:
        issuer["ca"] = settings.acme_directory
    if settings.acme_root:
        issuer["trusted_roots_pem_files"] = [settings.acme_root]
    return issuer


def _server(settings: IngressSettings, port: int, routes: list[dict[str, Any]]) -> dict[str, Any]:
    server: dict[str, Any] = {
        "listen": [f"{_in_brackets(settings.address)}:{port}"],
        "routes": [visitor.cleaning(bool(settings.proxies)), *routes],
        "errors": {"routes": _error_routes()},
        # A slow client may upload for long, but has to finish its headers.
        "read_header_timeout": "10s",
        "idle_timeout": "60s",
        # All headers of a request together. HTTP/2 counts them unpacked, over all frames that they come in.
        "max_header_bytes": _MOST_HEADER_BYTES,
    }
    if settings.proxies:
        server["trusted_proxies"] = {"source": "static", "ranges": list(settings.proxies)}
    return server


def _in_brackets(address: str) -> str:
    """As an address of IPv6 is written before a port."""
    return f"[{address.strip('[]')}]" if ":" in address else address


def _error_routes() -> list[dict[str, Any]]:
    """What a visitor sees of an error that is the ingress's own, such as an app that does not answer."""
    asks = _page_route(401, pages.SIGN_IN)
    too_large = _page_route(413, pages.TOO_LARGE)
    return [
        {**asks, "match": [{"expression": "{http.error.status_code} == 401"}], "terminal": True},
        {**too_large, "match": [{"expression": "{http.error.status_code} == 413"}], "terminal": True},
        _page_route(502, pages.NO_ANSWER, "{http.error.status_code}"),
    ]


def _routes(site: Site, names: list[Name], settings: IngressSettings, scheme: str) -> list[dict[str, Any]]:
    """One route for the hosts that are served alike, one for each that is not."""
    routes = [_moved(name, settings, scheme) for name in names if name.redirect_to]
    plain = sorted(name.host for name in names if not name.redirect_to and not name.path)
    if plain:
        routes.append(_app_route(site, {"host": _spelled(plain)}, settings, ""))
    for name in names:
        if name.path and not name.redirect_to:
            match = {"host": _spelled([name.host]), "path": [name.path, f"{name.path}/*"]}
            routes.append(_app_route(site, match, settings, name.path if name.strip else ""))
    return routes


def _spelled(hosts: list[str]) -> list[str]:
    """A name with the final dot of the root is the same name."""
    return [spelling for host in hosts for spelling in (host, f"{host}.")]


def _moved(name: Name, settings: IngressSettings, scheme: str) -> dict[str, Any]:
    standard, port = (443, settings.https_port) if scheme == "https" else (80, settings.http_port)
    match = {"host": _spelled([name.host]), **({"path": [name.path, f"{name.path}/*"]} if name.path else {})}
    return _leads_to(f"{scheme}://{name.redirect_to}{'' if port == standard else f':{port}'}", match)


def _app_route(site: Site, match: dict[str, Any], settings: IngressSettings, strip: str) -> dict[str, Any]:
    handlers = _rules(site.routing)
    if strip:
        handlers.append({"handler": "rewrite", "strip_path_prefix": strip})
    choices: list[dict[str, Any]] = []
    if site.has_one_writer:
        # While this file is there, requests wait until something listens again.
        choices.append(_while_there(HOLD_FILE, _proxy(site, settings, f"{settings.hold_seconds}s"), site, settings))
    if site.speaks_http2:
        choices.append(_while_there(HTTP2_FILE, _proxy(site, settings, "3s", HTTP2_FILE), site, settings))
    proxy = _proxy(site, settings, "3s")
    if choices:
        proxy = {"handler": "subroute", "routes": [*choices, {"handle": [proxy]}]}
    return {"match": [match], "handle": [*handlers, proxy], "terminal": True}


def _while_there(file: str, handler: dict[str, Any], site: Site, settings: IngressSettings) -> dict[str, Any]:
    match = {"file": {"root": f"{settings.routes}/{site.app_id}", "try_files": [file]}}
    return {"match": [match], "handle": [handler], "terminal": True}


def _rules(routing: Routing) -> list[dict[str, Any]]:
    handlers: list[dict[str, Any]] = []
    if routing.set_headers or routing.drop_headers:
        response: dict[str, Any] = {"deferred": True}
        if routing.set_headers:
            response["set"] = {_literal(name): [_literal(value)] for name, value in routing.set_headers}
        if routing.drop_headers:
            response["delete"] = [_literal(name) for name in routing.drop_headers]
        handlers.append({"handler": "headers", "response": response})
    if routing.accounts:
        accounts = [{"username": _literal(name), "password": _literal(digest)} for name, digest in routing.accounts]
        basic = {"accounts": accounts, "hash": {"algorithm": "bcrypt"}, "hash_cache": {}, "realm": "restricted"}
        handlers.append({"handler": "authentication", "providers": {"http_basic": basic}})
    if routing.largest_body:
        handlers.append({"handler": "request_body", "max_size": routing.largest_body})
    return handlers


def _literal(text: str) -> str:
    """Braces as they are: else Caddy would put in what they name, such as a file of the server."""
    return text.replace("{", "\\{").replace("}", "\\}")


def _proxy(site: Site, settings: IngressSettings, hold: str, file: str = "0") -> dict[str, Any]:
    transport: dict[str, Any] = {
        "protocol": "http",
        "dial_timeout": "5s",
        # An old release counts as drained when the ingress holds no connection to it. One whose successor has to
        # wait for that gives them up sooner.
        "keep_alive": {"idle_timeout": "1s" if site.has_one_writer else "5s", "max_idle_conns_per_host": 256},
    }
    if file == HTTP2_FILE:
        transport["versions"] = ["h2c"]
    # Holds requests for the moment in which a release is replaced or restarted.
    balancing: dict[str, Any] = {"try_duration": hold, "try_interval": "50ms"}
    if site.routing.answer_seconds:
        transport["response_header_timeout"] = f"{site.routing.answer_seconds}s"
        # Else a GET whose answer took too long would be sent again; what can't be connected to is tried all the same.
        balancing["retry_match"] = [{"method": ["NONE"]}]
    return {
        "handler": "reverse_proxy",
        # Read at each request: a cutover is a rename of this file, and no connection is closed for it.
        "upstreams": [{"dial": f"{{file.{settings.routes}/{site.app_id}/{file}}}"}],
        "load_balancing": balancing,
        "transport": transport,
        # One id for what a visitor sees, what the app logs, and what our pages say.
        "headers": {
            "request": {"set": {"X-Request-Id": ["{http.request.uuid}"], "X-Real-IP": ["{http.vars.client_ip}"]}}
        },
        # Adding another app loads a configuration; open WebSockets live on meanwhile.
        "stream_close_delay": "12h",
    }


def _own_route(settings: IngressSettings) -> dict[str, Any]:
    """The control plane behind its own name."""
    assert settings.own_name is not None
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": settings.own_address}],
        # An upgrade of the control plane takes some seconds.
        "load_balancing": {"try_duration": "10s", "try_interval": "100ms"},
        # Logs and events are streams.
        "flush_interval": -1,
    }
    return {"match": [{"host": _spelled([settings.own_name.host])}], "handle": [proxy], "terminal": True}


def _redirect(hosts: list[str], settings: IngressSettings) -> list[dict[str, Any]]:
    if not hosts:
        return []
    port = "" if settings.https_port == 443 else f":{settings.https_port}"
    return [_leads_to(f"https://{{http.request.host}}{port}", {"host": _spelled(hosts)})]


def _leads_to(origin: str, match: dict[str, Any]) -> dict[str, Any]:
    """Visitors are sent to the same path there, for good, with method and body."""
    location = f"{origin}{{http.request.uri}}"
    handler = {"handler": "static_response", "status_code": 308, "headers": {"Location": [location]}}
    return {"match": [match], "handle": [handler], "terminal": True}


def _not_found() -> dict[str, Any]:
    return _page_route(404, pages.NOT_FOUND)


def _page_route(status: int, page: str, status_text: str | None = None) -> dict[str, Any]:
    headers = {"Content-Type": ["text/html; charset=utf-8"], "Cache-Control": ["no-store"]}
    if status == 503:
        headers["Retry-After"] = ["5"]
    return {
        "handle": [
            {"handler": "static_response", "status_code": status_text or status, "headers": headers, "body": page}
        ]
    }


def _page_server(address: str, status: int, page: str) -> dict[str, Any]:
    return {
        "listen": [f"{address}|0600"],
        "automatic_https": {"disable": True},
        "routes": [_page_route(status, page)],
    }


def _log_writer(folder: Path) -> dict[str, Any]:
    return {"output": "file", "filename": f"{folder}/ingress.log", "roll_size_mb": 10, "roll_keep": 2}
