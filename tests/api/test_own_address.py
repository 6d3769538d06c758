"""What is made of a request's Host header leads to this server, whatever stands in it."""

from types import SimpleNamespace

import pytest
from starlette.datastructures import URL, Headers

from better_paas.access import own_address
from better_paas.access.own_address import own_url
from better_paas.bootstrap import host_rules
from better_paas.settings import Settings

HERE = ("93.184.216.34", 8080)
MADE_OF_HOST = (
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/better-paas.json",
    "/install/paas",
    "/llms.txt",
)


def address(host: str, *, at=HERE, peer="203.0.113.9", forwarded="", public=None, **settings: str) -> str:
    chosen = Settings(**settings)
    platform = SimpleNamespace(settings=chosen, rules=host_rules(chosen, public), public_address=public)
    headers = Headers({"host": host, **({"x-forwarded-proto": forwarded} if forwarded else {})})
    return own_url(
        platform,
        SimpleNamespace(headers=headers, scope={"server": at}, url=URL("http://x/"), client=SimpleNamespace(host=peer)),
    )


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(own_address.socket, "gethostname", lambda: "Box.example.net")
    own_address._machine_names.cache_clear()
    yield
    own_address._machine_names.cache_clear()


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("93.184.216.34:8080", {}),
        ("93.184.216.34", {}),
        ("localhost:9000", {"at": ("127.0.0.1", 8080)}),  # a tunnel from another port
        ("127.0.0.1:8080", {"at": ("127.0.0.1", 8080)}),
        ("[::1]:8080", {"at": ("::1", 8080)}),
        ("[2001:db8:0::1]:8080", {"at": ("2001:db8::1", 8080)}),
        ("box:8080", {}),
        ("box.local:8080", {}),
        ("BOX.example.net.:8080", {}),
        ("192.0.2.1", {"public": "192.0.2.1"}),
        ("paas.example.com", {"paas_domain": "paas.example.com"}),
        ("ui.example.com:8443", {"paas_ui_url": "https://ui.example.com:8443/"}),
        ("10.1.2.3:8080", {"listen_addr": "10.1.2.3:8080", "at": ("10.1.2.3", 8080)}),
        # Behind address translation nobody knows here which address a visitor used.
        ("192.0.2.77:8080", {"at": ("172.31.0.5", 8080)}),
    ],
)
def test_an_address_of_ours_stays_as_it_was_asked(host, more):
    assert address(host, **more) == f"http://{host}"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "6.6.6.6", "[2001:db8::66]", "a b", "", "x@y"])
def test_another_s_becomes_one_of_ours(host):
    assert address(host) == "http://93.184.216.34:8080"
    assert address(host, at=("127.0.0.1", 8080)) == "http://127.0.0.1:8080"
    assert address(host, at=("::1", 8080)) == "http://[::1]:8080"
    assert address(host, paas_domain="paas.example.com", acme_email="a@example.com") == "https://paas.example.com"


def test_a_name_that_is_not_ours_behind_address_translation_becomes_the_public_address():
    assert address("evil.example", at=("10.0.0.5", 8080), public="192.0.2.1") == "http://192.0.2.1:8080"
    assert address("evil.example", at=("10.0.0.5", 8080)) == "http://10.0.0.5:8080"


def test_what_a_trusted_proxy_passes_on_is_believed_and_nobody_else():
    inside = {"trust_proxy": "10.0.0.0/8", "forwarded": "https"}
    assert address("any.example.org", peer="10.0.0.1", **inside) == "https://any.example.org"
    assert address("any.example.org", peer="203.0.113.9", **inside) == "http://93.184.216.34:8080"
    assert address("any.example.org", trust_proxy="true", forwarded="https") == "https://any.example.org"
    assert address("93.184.216.34", forwarded="https") == "http://93.184.216.34"


@pytest.mark.parametrize("path", MADE_OF_HOST)
async def test_no_answer_names_a_stranger_or_is_kept(anonymous, path):
    answer = await anonymous.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 200
    assert "evil.example" not in answer.text and "http://test" in answer.text
    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("no-store", "Host")


async def test_the_way_to_a_token_is_ours(anonymous):
    answer = await anonymous.post("/mcp", json={}, headers={"Host": "evil.example"})
    assert answer.status_code == 401
    assert 'resource_metadata="http://test/' in answer.headers["WWW-Authenticate"]
    assert answer.headers["Cache-Control"] == "no-store"
