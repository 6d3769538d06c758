"""From the one address that a person knows to where the API and the dashboard are."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from better_paas.cli.client import Api
from better_paas.cli.errors import UNREACHABLE, USAGE, ApiError, CliError

_SECONDS = 15.0
_MANIFEST = "/.well-known/better-paas.json"
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Found:
    """api, dashboard: addresses. foreign: the API is on another host than the one that was asked for."""

    api: str
    dashboard: str
    foreign: bool


def normalised(address: str) -> str:
    """An address with its scheme and without its path. Errors: CliError."""
    text = address.strip()
    if "://" not in text:
        host = text.partition("/")[0].rpartition(":")[0] or text.partition("/")[0]
        text = f"{'http' if host in _LOCAL else 'https'}://{text}"
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise CliError(f"'{address}' is no address of a server", "Use one such as https://paas.example.com", USAGE)
    return f"{parts.scheme}://{parts.netloc}"


def discover(address: str, dashboard: str | None = None) -> Found:
    """Ask the server where its parts are. dashboard: overrides what it says. Errors: CliError."""
    own = normalised(address)
    manifest, base = _manifest(own)
    api = normalised(str(manifest.get("apiUrl") or base))
    if own.startswith("https:") and api.startswith("http:"):
        raise CliError(
            f"{own} says that its API is at {api}, without HTTPS: nothing is sent there",
            "Mend the server's address (PAAS_UI_URL, a proxy without X-Forwarded-Proto).",
        )
    _check_health(api)
    found = dashboard or manifest.get("uiUrl")
    return Found(api, normalised(str(found)) if found else _dashboard_of(api), _host(api) != _host(base))


def _manifest(own: str) -> tuple[dict[str, object], str]:
    """What the server says of itself, and the address at which it was found."""
    problem: CliError | None = None
    for base in (own, *_local_api(own)):
        try:
            answer = Api(base).call("GET", _MANIFEST, seconds=_SECONDS)
            return (answer if isinstance(answer, dict) and "apiUrl" in answer else {}), base
        except ApiError as error:
            if error.status in (301, 302, 303, 307, 308):
                raise CliError(
                    f"{base} sends its visitors elsewhere", "Connect to the address that the browser ends up at."
                ) from error
            return {}, base  # an older server, or one behind a proxy that passes only /api on
        except CliError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _local_api(own: str) -> list[str]:
    """A dashboard of a development server stands at :3000, its API at :8080."""
    parts = urlsplit(own)
    return [f"http://{parts.hostname}:8080"] if parts.hostname in _LOCAL and parts.port == 3000 else []


def _dashboard_of(api: str) -> str:
    parts = urlsplit(api)
    if parts.hostname not in _LOCAL or parts.port != 8080:
        return api
    try:
        with Api(api).open("GET", "/connect/agent", None, "", seconds=_SECONDS):
            return api
    except CliError:
        return f"http://{parts.hostname}:3000"


def _check_health(api: str) -> None:
    try:
        answer = Api(api).call("GET", "/api/health", seconds=_SECONDS)
    except ApiError as error:
        raise CliError(
            f"could not reach PaaS at {api}: /api/health answers {error.status}",
            "Is this the address of a Better-PaaS server?",
            UNREACHABLE,
        ) from error
    if not isinstance(answer, dict) or "status" not in answer:
        raise CliError(f"{api} is no Better-PaaS server", "Check the address.", UNREACHABLE)


def _host(address: str) -> str:
    return urlsplit(address).netloc
