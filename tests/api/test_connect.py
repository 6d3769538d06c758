"""Consent by browser, by device code and by the identity of a CI job: what works, and all that must not."""

import asyncio
import base64
import hashlib
import json
import secrets
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from better_paas.app import create_app
from better_paas.connect import clients, endpoints, identity, service
from better_paas.connect.models import Consent, DeviceLogin
from better_paas.errors import Invalid, Unavailable
from better_paas.kit.clock import now
from tests.api.test_agents import holding

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
REDIRECT = "http://127.0.0.1:5555/callback"
QUESTION = {
    "clientId": "paas-cli", "redirectUri": REDIRECT, "state": "s" * 32, "codeChallenge": CHALLENGE,
    "codeChallengeMethod": "S256",
}  # fmt: skip
YES = {**QUESTION, "name": "laptop", "profile": "deployer"}


@pytest.fixture
async def visitor(platform):
    """Somebody without a token."""
    from better_paas.app import create_app

    transport = httpx2.ASGITransport(app=create_app(platform), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def consent(driver, **changes) -> dict[str, str]:
    answer = await driver.post("/api/connect/agent/approve", **{**YES, **changes})
    parts = urlsplit(answer["callbackUrl"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == changes.get("redirectUri", REDIRECT)
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


def exchange(visitor, code: str, **changes):
    body = {"code": code, "codeVerifier": VERIFIER, "redirectUri": REDIRECT, **changes}
    return visitor.post("/api/connect/agent/exchange", json=body)


async def test_a_consent_becomes_one_token(driver, platform, visitor):
    looked = await driver.post("/api/connect/agent/look", **QUESTION)
    assert looked == {"name": "paas CLI", "place": "this computer", "own": True}
    back = await consent(driver)
    assert (back["state"], back["iss"]) == ("s" * 32, "http://test")
    answer = (await exchange(visitor, back["code"])).json()
    assert list(answer) == ["url", "token", "profile", "name", "agentId", "expiresAt"]
    assert (answer["url"], answer["profile"], answer["name"]) == ("http://test", "deployer", "laptop")
    async with holding(platform, answer["token"]) as agent:
        own = (await agent.get("/api/agents/self")).json()
    assert (own["id"], own["profile"]) == (answer["agentId"], "deployer")
    actions = [entry["action"] for entry in (await driver.client.get("/api/audit-logs")).json()]
    assert {"connect:approve", "connect:exchange"} <= set(actions)
    assert answer["token"] not in (await driver.client.get("/api/audit-logs")).text
    assert back["code"] not in (await driver.client.get("/api/audit-logs")).text


async def test_a_code_that_comes_twice_ends_the_token(driver, platform, visitor):
    code = (await consent(driver))["code"]
    token = (await exchange(visitor, code)).json()["token"]
    again = await exchange(visitor, code)
    assert (again.status_code, again.json()["code"]) == (400, "invalid_grant")
    async with holding(platform, token) as agent:
        assert (await agent.get("/api/agents/self")).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"codeVerifier": "w" * 43}, {"codeVerifier": ""}, {"codeVerifier": CHALLENGE},
        {"redirectUri": "http://127.0.0.1:5556/callback"}, {"clientId": "another"},
    ],
)  # fmt: skip
async def test_a_wrong_exchange_spends_the_code(driver, visitor, changes):
    code = (await consent(driver))["code"]
    assert (await exchange(visitor, code, **changes)).json()["code"] == "invalid_grant"
    assert (await exchange(visitor, code)).json()["code"] == "invalid_grant"


async def test_a_late_code(driver, platform, visitor):
    code = (await consent(driver))["code"]

    def age(session):
        for found in session.query(Consent):
            found.expires_at = now() - timedelta(seconds=1)

    await platform.database.write(age)
    assert (await exchange(visitor, code)).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"codeChallengeMethod": "plain"}, {"codeChallengeMethod": ""}, {"codeChallenge": ""},
        {"codeChallenge": VERIFIER[:42]}, {"clientId": "unknown"}, {"clientId": "reg_e30.0000"},
        {"redirectUri": "http://127.0.0.1.evil.example/callback"}, {"redirectUri": "http://127.0.0.1:5555/other"},
        {"redirectUri": "http://localhost:5555/callback"}, {"redirectUri": "https://evil.example/callback"},
        {"redirectUri": "http://127.0.0.1:5555/callback?x=1"}, {"redirectUri": "javascript:alert(1)"},
        {"redirectUri": "http://127.0.0.1@evil.example/callback"}, {"redirectUri": "http://127.0.0.1:5555\\@evil/callback"},
        {"state": "short"}, {"state": ""}, {"resource": "https://elsewhere.example/mcp"},
    ],
)  # fmt: skip
async def test_what_no_consent_is_asked_for(driver, changes):
    for path, body in (("look", QUESTION), ("approve", YES), ("deny", QUESTION)):
        answer = await driver.client.post(f"/api/connect/agent/{path}", json={**body, **changes})
        assert answer.status_code == 400, (path, answer.text)


async def test_no_agent_can_allow_anything(driver, platform, visitor):
    made = await driver.post("/api/agents/create", name="a", scopes=["agent:admin", "apps:read"])
    async with holding(platform, made["token"]) as agent:
        for path in ("agent/approve", "device/approve", "device/look", "agent/look"):
            assert (await agent.post(f"/api/connect/{path}", json=YES)).status_code in (401, 403)
    assert (await visitor.post("/api/connect/agent/approve", json=YES)).status_code == 401


async def test_oauth_for_a_client_that_registers_itself(driver, platform, visitor):
    metadata = (await visitor.get("/.well-known/oauth-authorization-server")).json()
    resource = (await visitor.get("/.well-known/oauth-protected-resource/mcp")).json()
    assert resource["authorization_servers"] == [metadata["issuer"]] == ["http://test"]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    redirect = "http://localhost:7777/oauth/callback"
    registered = await visitor.post(
        "/oauth/register", json={"client_name": "An Editor", "redirect_uris": [redirect], "grant_types": ["x"]}
    )
    assert registered.status_code == 201
    client_id = registered.json()["client_id"]
    page = await visitor.get("/oauth/authorize", params={"client_id": client_id, "state": "x"})
    assert page.headers["location"].startswith("/connect/agent?client_id=reg_")
    question = {**QUESTION, "clientId": client_id, "redirectUri": "http://localhost:1234/oauth/callback"}
    assert await driver.post("/api/connect/agent/look", **question) == {
        "name": "An Editor", "place": "this computer", "own": False,
    }  # fmt: skip
    back = await consent(driver, **question, resource="http://test/mcp")
    form = {
        "grant_type": "authorization_code", "code": back["code"], "code_verifier": VERIFIER, "client_id": client_id,
        "redirect_uri": question["redirectUri"],
    }  # fmt: skip
    answer = await visitor.post("/oauth/token", data=form)
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert (token["token_type"], "apps:write" in token["scope"]) == ("Bearer", True)
    assert 89 * 86400 < token["expires_in"] <= 90 * 86400
    again = await visitor.post("/oauth/token", data=form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")

    back = await consent(driver, **question)
    token = (await visitor.post("/oauth/token", data={**form, "code": back["code"]})).json()["access_token"]
    assert (await visitor.post("/oauth/revoke", data={"token": token})).status_code == 200
    async with holding(platform, token) as agent:
        assert (await agent.get("/api/agents/self")).status_code == 401


@pytest.mark.parametrize(
    "redirect",
    [
        "http://example.com/cb", "https://user@example.com/cb", "ftp://127.0.0.1/x", "data:text/html,x", "cursor:",
        "http://127.0.0.1:99999999/x", "https://example.com/cb#fragment", "https://exämple.com/cb", "//evil.example",
    ],
)  # fmt: skip
async def test_redirects_that_no_client_may_have(visitor, redirect):
    answer = await visitor.post("/oauth/register", json={"client_name": "x", "redirect_uris": [redirect]})
    assert answer.status_code == 400


def test_a_registration_can_not_be_changed():
    def digest(data: bytes) -> str:
        return hashlib.sha256(b"key" + data).hexdigest()

    made = clients.register("An Editor", ["https://editor.example/cb"], digest)
    assert clients.find(made.id, digest) == made
    body, _, proof = made.id.partition(".")
    other = base64.urlsafe_b64encode(json.dumps({"name": "x", "redirects": ["https://evil.example"]}).encode()).decode()
    for forged in (f"reg_{other}.{proof}", body, f"{body}.", made.id[:-1] + "0", f"{body}.{proof}x"):
        with pytest.raises(Invalid):
            clients.find(forged, digest)


# Device codes


async def test_a_terminal_without_a_browser(driver, platform, visitor):
    asked = (await visitor.post("/api/connect/device", json={"name": "box CLI", "machine": "root@box"})).json()
    assert asked["verificationUrl"] == "http://test/connect/device"
    waiting = asyncio.create_task(visitor.post("/api/connect/device/token", json={"deviceCode": asked["deviceCode"]}))
    looked = await driver.post("/api/connect/device/look", userCode=asked["userCode"].lower())
    assert (looked["name"], looked["machine"], looked["address"]) == ("box CLI", "root@box", "127.0.0.1")
    assert asked["words"] in looked["choices"]
    assert len(set(looked["choices"])) == 3
    await driver.post(
        "/api/connect/device/approve", userCode=asked["userCode"], words=asked["words"], name="box", profile="observer"
    )
    answer = (await asyncio.wait_for(waiting, 5)).json()
    assert (answer["name"], answer["profile"]) == ("box", "observer")
    # A second fetch ends the token.
    again = await visitor.post("/api/connect/device/token", json={"deviceCode": asked["deviceCode"]})
    assert again.status_code == 403
    async with holding(platform, answer["token"]) as agent:
        assert (await agent.get("/api/agents/self")).status_code == 401


async def test_wrong_words_end_a_device_login(driver, visitor):
    asked = (await visitor.post("/api/connect/device", json={})).json()
    looked = await driver.post("/api/connect/device/look", userCode=asked["userCode"])
    wrong = next(words for words in looked["choices"] if words != asked["words"])
    body = {"userCode": asked["userCode"], "name": "x", "profile": "observer"}
    await driver.post("/api/connect/device/approve", status=403, **body, words=wrong)
    await driver.post("/api/connect/device/approve", status=404, **body, words=asked["words"])
    ended = await visitor.post("/api/connect/device/token", json={"deviceCode": asked["deviceCode"]})
    assert (ended.status_code, ended.json()["code"]) == (403, "access_denied")


async def test_codes_can_not_be_tried_out(driver, visitor):
    answers = [
        (await driver.client.post("/api/connect/device/look", json={"userCode": "BCDFGHJK"})).status_code
        for _ in range(8)
    ]
    assert answers[:5] == [404] * 5
    assert answers[-1] == 429


async def test_terminals_are_few_for_each_network_and_in_nobodys_way(platform, monkeypatch):
    monkeypatch.setattr(endpoints, "_HOLD_SECONDS", 0.1)
    monkeypatch.setattr(service, "_MOST_WAITING", 20)
    app = create_app(platform)

    def place(address: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 1))
        return httpx2.AsyncClient(transport=transport, base_url="http://test")

    async with place("203.0.113.1") as one, place("2001:db8::1") as flood, place("2001:db8::ffff") as same:
        first = (await one.post("/api/connect/device", json={})).json()
        codes = [(await flood.post("/api/connect/device", json={})).status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        assert (await same.post("/api/connect/device", json={})).status_code == 429
        codes = []
        for number in range(30):
            async with place(f"198.51.{number}.1") as other:
                codes.append((await other.post("/api/connect/device", json={})).status_code)
        assert codes == [200] * 18 + [429] * 12
        rows = await platform.database.read(lambda session: session.query(DeviceLogin).count())
        assert rows == 20
        looked = await one.post("/api/connect/device/token", json={"deviceCode": first["deviceCode"]}, timeout=60)
        assert looked.json() == {"status": "authorization_pending"}


async def test_a_refused_device_login(driver, visitor):
    asked = (await visitor.post("/api/connect/device", json={})).json()
    await driver.post("/api/connect/device/deny", userCode=asked["userCode"])
    ended = await visitor.post("/api/connect/device/token", json={"deviceCode": asked["deviceCode"]})
    assert ended.json()["error"] == "The sign-in was refused"


# Identities of CI jobs


class Issuer:
    """An OpenID Connect issuer on this machine."""

    def __init__(self) -> None:
        self.asked = 0
        self.broken = False
        self.identities_for = ""
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments): ...

            def do_GET(self):
                outer.asked += 1
                if outer.broken:
                    self.send_error(500)
                    return
                if self.path.startswith("/request?") and self.headers["Authorization"] == "Bearer the-job":
                    audience = parse_qs(urlsplit(self.path).query)["audience"][0]
                    assert audience == outer.identities_for
                    self._send(json.dumps({"value": outer.token(aud=audience)}).encode())
                    return
                about = {"issuer": outer.url, "jwks_uri": f"{outer.url}/keys"}
                others = [{"kty": "RSA", "use": "enc", "alg": "RSA-OAEP"}, {"kty": "EC", "crv": "new"}, {"kty": "oct"}]
                body = json.dumps(
                    {"keys": [*others, {**public, "kid": "k1"}]} if self.path == "/keys" else about
                ).encode()
                self._send(body)

            def _send(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, key=None, algorithm="RS256", kid="k1", **claims) -> str:
        fields = {
            "iss": self.url, "aud": "http://test", "sub": "repo:me/shop:ref:refs/heads/main", "iat": time.time(),
            "exp": time.time() + 300, "repository": "me/shop", "ref": "refs/heads/main", "jti": secrets.token_hex(8),
            **claims,
        }  # fmt: skip
        return jwt.encode(fields, key or self.key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
def issuer():
    made = Issuer()
    yield made
    made.close()


@pytest.fixture
async def rule(driver, issuer):
    claims = {"repository": "me/shop", "ref": "refs/heads/*"}
    return await driver.post(
        "/api/trust/create", name="shop main", issuer=issuer.url, claims=claims, profile="deployer"
    )


async def test_a_job_gets_a_token_for_what_it_is(driver, platform, visitor, issuer, rule):
    assert rule["audience"] == "http://test"
    identity = issuer.token()
    answer = (await visitor.post("/api/connect/identity", json={"token": identity})).json()
    assert answer["name"] == "ci: shop main"
    async with holding(platform, answer["token"]) as agent:
        own = (await agent.get("/api/agents/self")).json()
    lifetime = service.now().fromisoformat(own["expiresAt"].replace("Z", "+00:00")) - now()
    assert timedelta(minutes=14) < lifetime <= timedelta(minutes=15)
    again = await visitor.post("/api/connect/identity", json={"token": identity})
    assert (again.status_code, "used before" in again.json()["error"]) == (403, True)
    for other in (identity + "==", identity + "=", identity.replace(".", ".", 1) + " "):
        assert (await visitor.post("/api/connect/identity", json={"token": other})).status_code in (400, 403, 429)
    assert (await driver.client.get("/api/trust")).json()[0]["uses"] == 1
    # Without the rule its tokens end.
    await driver.post("/api/trust/delete", id=rule["id"])
    async with holding(platform, answer["token"]) as agent:
        assert (await agent.get("/api/agents/self")).status_code == 401


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repository": "evil/shop"}, "no trust rule fits"),
        ({"ref": "refs/tags/v1"}, "no trust rule fits"),
        ({"repository": None}, "no trust rule fits"),
        ({"repository": "ME/SHOP"}, "no trust rule fits"),
        ({"aud": "https://elsewhere.example"}, "another audience"),
        ({"exp": time.time() - 600}, "expired"),
        ({"iss": "https://evil.example"}, "no trust rule names this issuer"),
        ({"kid": "k2"}, "not genuine"),
        ({"sub": None}, "not genuine"),
    ],
)
async def test_identities_that_get_nothing(driver, visitor, issuer, rule, changes, words):
    answer = await visitor.post("/api/connect/identity", json={"token": issuer.token(**changes)})
    assert answer.status_code == 403
    assert words in answer.json()["error"]


async def test_forged_identities(visitor, issuer, rule):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    unsigned = jwt.encode(claims, None, algorithm="none", headers={"kid": "k1"})
    by_secret = jwt.encode(claims, "x" * 40, algorithm="HS256", headers={"kid": "k1"})
    for token in (issuer.token(key=other), unsigned, by_secret, issuer.token()[:-4] + "AAAA"):
        answer = await visitor.post("/api/connect/identity", json={"token": token})
        assert answer.status_code in (400, 403), answer.text
    assert (await visitor.post("/api/connect/identity", json={"token": "x" * 30})).status_code == 400


async def test_a_broken_issuer_is_not_asked_again_and_again(visitor, issuer, rule):
    issuer.broken = True
    codes = [
        (await visitor.post("/api/connect/identity", json={"token": issuer.token()})).status_code for _ in range(8)
    ]
    assert codes == [503] * 8
    assert issuer.asked == 1


@pytest.mark.parametrize("said", ["", "[" * 5000])
async def test_keys_that_can_not_be_had_are_told(monkeypatch, said):
    async def deep(client, address):
        return json.loads(said)

    if said:
        monkeypatch.setattr(identity, "_json", deep)
    with pytest.raises(Unavailable):
        await identity._fetch_keys("https://issuer.example:99999999")


async def test_strangers_do_not_fill_the_audit_log(driver, visitor, issuer, rule):
    before = len((await driver.client.get("/api/audit-logs", params={"limit": 500})).json())
    for _ in range(60):
        await visitor.post("/api/connect/identity", json={"token": issuer.token(repository="evil/x")})
    after = len((await driver.client.get("/api/audit-logs", params={"limit": 500})).json())
    assert after - before <= 12


async def test_a_trust_rule_needs_https_and_conditions(driver, issuer):
    fields = {"name": "x", "issuer": issuer.url, "claims": {"repository": "me/shop"}, "profile": "deployer"}
    await driver.post("/api/trust/create", status=400, **{**fields, "issuer": "http://issuer.example"})
    for address in ("https://[", "https://[x]/", "https://issuer.example:99999"):
        await driver.post("/api/trust/create", status=400, **{**fields, "issuer": address})
    await driver.post("/api/trust/create", status=400, **{**fields, "claims": {}})
    await driver.post("/api/trust/create", status=400, **{**fields, "profile": "root"})
    await driver.post("/api/trust/create", **fields)
    await driver.post("/api/trust/create", status=409, **fields)
