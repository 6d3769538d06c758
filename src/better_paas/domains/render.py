"""From the apps and their names to Caddy's configuration. Pure: the same table gives the same configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from better_paas.domains import pages


@dataclass(frozen=True)
class Site:
    """An app and the names that lead to it. https_hosts get certificates, http_hosts are served in the clear."""

    app_id: str
    http_hosts: tuple[str, ...]
    https_hosts: tuple[str, ...]


@dataclass(frozen=True)
class IngressSettings:
    """folder: Caddy's own. routes: where the route files are."""

    folder: Path
    routes: Path
    address: str
    http_port: int
    https_port: int
    acme_email: str | None
    # Networks whose X-Forwarded-* headers are believed.
    proxies: tuple[str, ...] = ()


# Where one proxy in front stands when its address is not told: on this machine or in a private network.
PRIVATE_NETWORKS = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")


def stopped_address(folder: Path) -> str:
    """What a route file holds while its app is stopped: a server inside Caddy that says so."""
    return f"unix/{folder}/stopped.sock"


def waiting_address(folder: Path) -> str:
    """What a route file holds while its app has no live release."""
    return f"unix/{folder}/waiting.sock"


def render(sites: list[Site], settings: IngressSettings) -> dict[str, Any]:
    """The whole configuration."""
    sites = sorted(sites, key=lambda site: site.app_id)
    http_routes = [_app_route(site.app_id, site.http_hosts, settings) for site in sites if site.http_hosts]
    https_routes = [_app_route(site.app_id, site.https_hosts, settings) for site in sites if site.https_hosts]
    https_hosts = sorted(host for site in sites for host in site.https_hosts)
    servers: dict[str, Any] = {
        "http": {
            **_server(settings, settings.http_port, [*http_routes, *_redirect(https_hosts, settings), _not_found()]),
            "automatic_https": {"disable": True},
        },
        "stopped": _page_server(f"unix/{settings.folder}/stopped.sock", 503, pages.STOPPED),
        "waiting": _page_server(f"unix/{settings.folder}/waiting.sock", 503, pages.WAITING),
    }
    apps: dict[str, Any] = {
        "http": {"http_port": settings.http_port, "https_port": settings.https_port, "servers": servers}
    }
    if https_hosts:
        servers["https"] = {
            **_server(settings, settings.https_port, [*https_routes, _not_found()]),
            "automatic_https": {"disable_redirects": True},
        }
        issuer = {"module": "acme", **({"email": settings.acme_email} if settings.acme_email else {})}
        apps["tls"] = {"automation": {"policies": [{"subjects": https_hosts, "issuers": [issuer]}]}}
    return {
        "admin": {"listen": f"unix/{settings.folder}/admin.sock|0600", "origins": ["localhost"]},
        "logging": {"logs": {"default": {"level": "WARN", "writer": _log_writer(settings.folder)}}},
        "apps": apps,
    }


def _server(settings: IngressSettings, port: int, routes: list[dict[str, Any]]) -> dict[str, Any]:
    server: dict[str, Any] = {
        "listen": [f"{settings.address}:{port}"],
        "routes": routes,
        "errors": {"routes": [_page_route(502, pages.NO_ANSWER, "{http.error.status_code}")]},
        # A slow client may upload for long, but has to finish its headers.
        "read_header_timeout": "30s",
        "idle_timeout": "5m",
    }
    if settings.proxies:
        server["trusted_proxies"] = {"source": "static", "ranges": list(settings.proxies)}
    return server


def _app_route(app_id: str, hosts: tuple[str, ...], settings: IngressSettings) -> dict[str, Any]:
    proxy = {
        "handler": "reverse_proxy",
        # Read at each request: a cutover is a rename of this file, and no connection is closed for it.
        "upstreams": [{"dial": f"{{file.{settings.routes}/{app_id}/0}}"}],
        # Holds requests for the moment in which a release is replaced or restarted.
        "load_balancing": {"try_duration": "3s", "try_interval": "50ms"},
        "transport": {
            "protocol": "http",
            "dial_timeout": "5s",
            # An old release counts as drained when the ingress holds no connection to it.
            "keep_alive": {"idle_timeout": "5s", "max_idle_conns_per_host": 256},
        },
        # Adding another app loads a configuration; open WebSockets live on meanwhile.
        "stream_close_delay": "12h",
    }
    return {"match": [{"host": sorted(hosts)}], "handle": [proxy], "terminal": True}


def _redirect(hosts: list[str], settings: IngressSettings) -> list[dict[str, Any]]:
    if not hosts:
        return []
    port = "" if settings.https_port == 443 else f":{settings.https_port}"
    location = f"https://{{http.request.host}}{port}{{http.request.uri}}"
    handler = {"handler": "static_response", "status_code": 308, "headers": {"Location": [location]}}
    return [{"match": [{"host": hosts}], "handle": [handler], "terminal": True}]


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
