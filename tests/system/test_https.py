"""HTTPS with a real certificate authority: fetching, renewing, failing with a reason, and the rules beside it."""

import base64
import contextlib
import http.client
import os
import signal
import socket
import ssl
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.cloudflare import TOKEN as CLOUDFLARE_TOKEN
from tests.cloudflare import FakeCloudflare
from tests.system.apps import MIRROR
from tests.system.authority import Authority
from tests.system.servers import ADMIN_TOKEN, PaasServer, app_ports, wait_until

pytestmark = pytest.mark.engine

# The authority looks at ports 80 and 443, and at no others: an address of our own has them free.
ADDRESS = "127.0.0.77"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    names = ("paas", "mirror.localhost", "api.localhost", "stranger.localhost", "shop", "www.shop", "other")
    hosts = {f"{name}.example.org": ADDRESS for name in names}
    made = Authority(tmp_path_factory.mktemp("authority") / "ca", hosts)
    yield made
    made.close()


@pytest.fixture(scope="module")
def secured(tmp_path_factory, authority):
    server = PaasServer(
        tmp_path_factory.mktemp("secured") / "data", APP_PORTS=app_ports(23500), INGRESS_ADDRESS=ADDRESS, HTTP_PORT="80",
        HTTPS_PORT="443", ACME_DIRECTORY=authority.directory, ACME_ROOT=str(authority.root), ACME_EMAIL="me@example.org",
        PAAS_DOMAIN="paas.example.org", PUBLIC_ADDRESS="203.0.113.7", APPS_DOMAIN="localhost.example.org",
    )  # fmt: skip
    server.http_port = 80
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def app(secured, git):
    return secured.live("mirror", git.repository("mirror-https.git", MIRROR).url)


def handshake(authority: Authority, host: str) -> x509.Certificate:
    """The certificate that `host` gets, if the authority's root vouches for it."""
    context = ssl.create_default_context(cafile=str(authority.root))
    with (
        socket.create_connection((ADDRESS, 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True))


def has_certificate(authority: Authority, host: str) -> bool:
    try:
        handshake(authority, host)
    except OSError:
        return False
    return True


class Pinned(http.client.HTTPSConnection):
    """Connects to the ingress, whatever DNS says of the host; the certificate is checked for the host."""

    def connect(self) -> None:
        plain = socket.create_connection((ADDRESS, self.port), timeout=30)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


def ask(authority: Authority, url: str, method: str = "GET", **options) -> httpx2.Response:
    """One request to the ingress, as a visitor sends it."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if scheme == "http":
        headers = {"Host": host, **options.pop("headers", {})}
        return httpx2.request(method, f"http://{ADDRESS}{slash}{path}", headers=headers, **options)
    connection = Pinned(host, context=ssl.create_default_context(cafile=str(authority.root)))
    with contextlib.closing(connection):
        connection.request(method, slash + path, body=options.get("content"), headers=options.get("headers", {}))
        answer = connection.getresponse()
        return httpx2.Response(answer.status, headers=answer.getheaders(), content=answer.read())


def test_many_domains_get_certificates_and_send_http_to_https(secured, authority, app):
    wait_until(lambda: has_certificate(authority, "mirror.localhost.example.org"), 60)
    names = ["shop.example.org", "www.shop.example.org", "other.example.org"]
    secured.post("/api/apps/update", id=app["id"], domains=names)
    for name in names:
        wait_until(lambda name=name: has_certificate(authority, name), 60)
    secured.post("/api/apps/domains/update", id=app["id"], domain="www.shop.example.org", redirectTo="shop.example.org")
    answer = ask(authority, "https://shop.example.org/a?b=c")
    assert answer.json()["headers"]["X-Forwarded-Proto"] == "https"
    moved = ask(authority, "http://shop.example.org/a?b=c")
    assert (moved.status_code, moved.headers["Location"]) == (308, "https://shop.example.org/a?b=c")
    www = ask(authority, "https://www.shop.example.org/a?b=c")
    assert (www.status_code, www.headers["Location"]) == (308, "https://shop.example.org/a?b=c")
    shown = {entry["name"]: entry for entry in secured.get("/api/apps/domains", id=app["id"])}
    certificate = shown["shop.example.org"]["certificate"]
    assert (certificate["state"], certificate["issuer"][:5]) == ("active", "Caddy")
    assert datetime.fromisoformat(certificate["expiresAt"]) > datetime.now(UTC)
    assert shown["www.shop.example.org"]["redirectTo"] == "shop.example.org"


def test_each_request_has_an_id_of_ours(secured, authority, app):
    wait_until(lambda: has_certificate(authority, "mirror.localhost.example.org"), 60)
    forged = {"X-Request-Id": "forged"}
    ids = {
        ask(authority, "https://mirror.localhost.example.org/", headers=forged).json()["headers"]["X-Request-Id"]
        for _ in range(2)
    }
    assert len(ids) == 2
    assert "forged" not in ids
    # The control plane behind its own name: the same id in the answer, its error and the audit log.
    wait_until(lambda: has_certificate(authority, "paas.example.org"), 60)
    token = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json", **forged}
    url = "https://paas.example.org/api/apps/stop"
    refused = ask(authority, url, "POST", headers=token, content=b'{"id": "nobody"}')
    assert refused.status_code == 404
    request_id = refused.headers["x-request-id"]
    assert refused.json()["requestId"] == request_id != "forged"
    assert request_id in [entry["requestId"] for entry in secured.get("/api/audit-logs", action="app:stop")]


def test_a_domain_that_fails_says_why(secured, authority, app):
    secured.post("/api/apps/domains/add", id=app["id"], domain="nowhere.example.org")

    def shown():
        return next(e for e in secured.get("/api/apps/domains", id=app["id"]) if e["name"] == "nowhere.example.org")

    wait_until(lambda: shown()["certificate"]["state"] == "failing", 60)
    assert "DNS knows no address of this name" in shown()["problem"]
    assert "A record for this name that points to 203.0.113.7" in shown()["hint"]
    assert ask(authority, "https://shop.example.org/").status_code == 200
    secured.post("/api/apps/domains/remove", id=app["id"], domain="nowhere.example.org")


def test_the_control_plane_has_a_name_of_its_own(secured, authority, app):
    wait_until(lambda: has_certificate(authority, "paas.example.org"), 60)
    assert ask(authority, "https://paas.example.org/api/health").json()["status"] == "healthy"
    assert ask(authority, "http://paas.example.org/").headers["Location"] == "https://paas.example.org/"
    manifest = ask(authority, "https://paas.example.org/.well-known/better-paas.json").json()
    assert manifest["apiUrl"] == "https://paas.example.org"
    refused = secured.post("/api/apps/domains/add", status=409, id=app["id"], domain="paas.example.org")
    assert "control plane" in refused["error"]


def test_rules_for_an_app_s_requests(secured, authority, app):
    rules = secured.post(
        "/api/apps/routing",
        id=app["id"],
        basicAuth=[{"username": "ann", "password": "a-long-password"}],
        responseHeaders={"X-Frame-Options": "DENY"},
        removeHeaders=["Server"],
        maxBodyMb=1,
        timeoutSeconds=2,
    )
    assert rules["basicAuth"] == [{"username": "ann", "password": "***"}]
    refused = ask(authority, "https://shop.example.org/")
    assert (refused.status_code, "Sign in" in refused.text) == (401, True)
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    right = {"Authorization": "Basic " + base64.b64encode(b"ann:a-long-password").decode()}
    answer = ask(authority, "https://shop.example.org/", headers=right)
    assert (answer.status_code, answer.headers["X-Frame-Options"]) == (200, "DENY")
    assert "Server" not in answer.headers
    wrong = {"Authorization": "Basic " + base64.b64encode(b"ann:wrong").decode()}
    assert ask(authority, "https://shop.example.org/", headers=wrong).status_code == 401
    large = ask(authority, "https://shop.example.org/", method="POST", headers=right, content=b"x" * (2 * 2**20))
    assert (large.status_code, "too much at once" in large.text) == (413, True)
    slow = ask(authority, "https://shop.example.org/slow", headers=right)
    assert slow.status_code == 504
    asked = ask(authority, "https://shop.example.org/count", headers=right).json()["slow"]
    assert asked == 1  # it was not sent again
    kept = secured.post("/api/apps/routing", id=app["id"], maxBodyMb=0)
    assert kept["responseHeaders"] == {"X-Frame-Options": "DENY"}
    assert secured.post("/api/apps/routing", id=app["id"], basicAuth=[], forceHttps=False)["forceHttps"] is False
    assert ask(authority, "http://shop.example.org/").status_code == 200
    secured.post("/api/apps/routing", status=400, id=app["id"], responseHeaders={"X-A": "{env.HOME}"})


def test_a_path_of_a_domain_leads_to_another_app_of_the_project(secured, authority, git, app):
    api = secured.live("api", git.repository("mirror-api.git", MIRROR).url, projectId=app["projectId"])
    secured.post("/api/apps/domains/add", id=api["id"], domain="shop.example.org/api")
    assert ask(authority, "https://shop.example.org/api/orders").json()["path"] == "/api/orders"
    stranger = secured.live("stranger")
    refused = secured.post("/api/apps/domains/add", status=409, id=stranger["id"], domain="shop.example.org/steal")
    assert refused["code"] == "domain_taken"
    secured.post("/api/apps/domains/update", id=api["id"], domain="shop.example.org/api", stripPath=True)
    assert ask(authority, "https://shop.example.org/api/orders").json()["path"] == "/orders"
    assert ask(authority, "https://shop.example.org/apifel").json()["path"] == "/apifel"
    secured.purge(api)
    secured.purge(stranger)
    assert ask(authority, "https://shop.example.org/api/orders").json()["path"] == "/api/orders"


def test_certificates_are_renewed(secured, authority, app):
    """One that is near its end is replaced when the ingress looks: here because it was started again."""
    host = "mirror.localhost.example.org"
    wait_until(lambda: has_certificate(authority, host), 60)
    (file,) = (secured.data / "caddy/caddy/certificates").glob(f"*/{host}/{host}.crt")
    key = serialization.load_pem_private_key(file.with_suffix(".key").read_bytes(), None)
    ending = authority.issue(host, key.public_key(), timedelta(minutes=-700), timedelta(minutes=5))
    file.write_bytes(ending)
    os.kill(secured.caddy_pid(), signal.SIGKILL)

    def remaining() -> timedelta:
        try:
            return handshake(authority, host).not_valid_after_utc - datetime.now(UTC)
        except OSError:
            return timedelta()

    wait_until(lambda: remaining() > timedelta(hours=10), 90)
    (shown,) = [entry for entry in secured.get("/api/apps/domains", id=app["id"]) if entry["isDefault"]]
    assert datetime.fromisoformat(shown["certificate"]["expiresAt"]) - datetime.now(UTC) > timedelta(hours=10)


def test_one_wildcard_certificate_for_all_apps(tmp_path, authority, git):
    """Proven over DNS: new apps have HTTPS at once, and the authority is asked for no other name."""

    def known(records) -> None:
        texts = [record for record in records.values() if record["type"] == "TXT"]
        authority.names.texts = {record["name"]: [record["content"]] for record in texts}

    cloudflare = FakeCloudflare(["example.org"], known)
    server = PaasServer(
        tmp_path / "data", APP_PORTS=app_ports(23600), INGRESS_ADDRESS="127.0.0.78", HTTP_PORT="80", HTTPS_PORT="443",
        ACME_DIRECTORY=authority.directory, ACME_ROOT=str(authority.root), APPS_DOMAIN="wild.example.org",
        CLOUDFLARE_API=cloudflare.url, DNS_SPREAD_SECONDS="0",
    )  # fmt: skip
    server.start()
    try:
        server.post("/api/cloudflare/token/save", token=CLOUDFLARE_TOKEN)
        files = server.data / "certificates"
        wait_until(lambda: any(files.glob("wildcard-*.crt")), 60)
        assert cloudflare.records == {}  # the proof is taken away again
        app = server.live("first", "sample:hello-static")
        context = ssl.create_default_context(cafile=str(authority.root))
        with (
            socket.create_connection(("127.0.0.78", 443), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="first.wild.example.org") as secure,
        ):
            certificate = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["*.wild.example.org"]
        (shown,) = server.get("/api/apps/domains", id=app["id"])
        assert shown["certificate"]["state"] == "active"
        status = server.get("/api/cloudflare/status")
        assert (status["wildcard"], status["problem"]) == ("*.wild.example.org", "")
        assert (files / "account.key").stat().st_mode & 0o077 == 0
    finally:
        server.close()
        cloudflare.close()
