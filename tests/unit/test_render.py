"""The ingress's configuration, and the names in it."""

import json
from pathlib import Path

import pytest

from better_paas.domains.claims import settle
from better_paas.domains.hosts import HostRules, host_suffix, normalise
from better_paas.domains.render import IngressSettings, Name, Site, render
from better_paas.domains.unserved import Reason
from better_paas.errors import Invalid

SETTINGS = IngressSettings(Path("/d/caddy"), Path("/d/routes"), "", 80, 443, "me@example.org")


def hosts_of(server):
    return [route["match"][0]["host"] for route in server["routes"] if "match" in route]


def test_each_app_is_named_by_its_route_file_and_unknown_hosts_get_no_app():
    config = render([Site("a1", (Name("a.localhost"),)), Site("b2", (Name("b.localhost"),))], SETTINGS)
    routes = config["apps"]["http"]["servers"]["http"]["routes"]
    assert routes[0]["handle"][0]["handler"] == "headers"
    assert routes[1]["handle"][0]["upstreams"] == [{"dial": "{file./d/routes/a1/0}"}]
    assert "match" not in routes[-1]
    assert routes[-1]["handle"][0]["status_code"] == 404
    assert "https" not in config["apps"]["http"]["servers"]


def test_public_names_get_certificates_and_a_redirect():
    config = render([Site("a1", (Name("a.localhost"), Name("shop.example.com", https=True)))], SETTINGS)
    servers = config["apps"]["http"]["servers"]
    assert hosts_of(servers["https"]) == [["shop.example.com", "shop.example.com."]]
    redirect = servers["http"]["routes"][2]
    assert redirect["handle"][0]["status_code"] == 308
    policy = config["apps"]["tls"]["automation"]["policies"][0]
    assert policy["subjects"] == ["shop.example.com"]
    assert policy["issuers"] == [{"module": "acme", "email": "me@example.org"}]


def test_the_same_table_gives_the_same_configuration():
    one, two = Site("a", (Name("a.localhost"),)), Site("b", (Name("b.localhost"),))
    assert json.dumps(render([one, two], SETTINGS)) == json.dumps(render([two, one], SETTINGS))


def test_the_admin_interface_is_a_private_socket():
    assert render([], SETTINGS)["admin"]["listen"] == "unix//d/caddy/admin.sock|0600"


@pytest.mark.parametrize(
    ("rules", "host", "url"),
    [
        (HostRules("localhost", "auto", 80, 443), "a.localhost", "http://a.localhost"),
        (HostRules("localhost", "auto", 8081, 443), "a.localhost", "http://a.localhost:8081"),
        (HostRules("apps.example.com", "auto", 80, 443), "a.apps.example.com", "https://a.apps.example.com"),
        (HostRules("apps.example.com", "auto", 80, 8443), "a.apps.example.com", "https://a.apps.example.com:8443"),
        (HostRules("apps.example.com", "off", 80, 443), "a.apps.example.com", "http://a.apps.example.com"),
        (HostRules("apps.example.com", "external", 8081, 443), "a.apps.example.com", "https://a.apps.example.com"),
        (HostRules("1.2.3.4.sslip.io", "auto", 80, 443), "a.1.2.3.4.sslip.io", "http://a.1.2.3.4.sslip.io"),
    ],
)
def test_urls(rules, host, url):
    assert rules.url(host) == url


def test_suffixes():
    assert host_suffix("Apps.Example.COM", "1.2.3.4") == "apps.example.com"
    assert host_suffix(None, "1.2.3.4") == "1.2.3.4.sslip.io"
    assert host_suffix(None, "2001:db8::1") == "2001-db8--1.sslip.io"
    assert host_suffix(None, "2001:db8::") == "2001-0db8-0000-0000-0000-0000-0000-0000.sslip.io"
    assert host_suffix(None, None) == "localhost"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Shop.Example.com.", "shop.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--bcher-kva.example", "xn--bcher-kva.example"),
        ("a--b.example.com", "a--b.example.com"),
    ],
)
def test_domains_are_normalised(text, name):
    assert normalise(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "a..b", "-a.com", "a_b.com", "a b.com", "1.2.3.4", "a.com/x", "a.com:80", "*.a.com", "{env.PATH}.com",
     "a.com\n", "a;b.com", "a" * 64 + ".com", "x." * 130 + "com", "a`b.com", "a.com{",
     # International names are checked in what they stand for, by IDNA 2008.
     "xn--0.example.com", "xn--a.com", "xn--.com", "xn--oops.com", "xn--hello-.com", "a.xn--999999b.com", "ab--cd.com",
     "xn--ls8h.com", "💩.com", "xn--0ugc.com", "xn--xn---epa.com", "XN--0.com"],
)  # fmt: skip
def test_domains_that_are_none(text):
    if text.strip() != text and text.strip() == "a.com":
        assert normalise(text) == "a.com"
        return
    with pytest.raises(Invalid):
        normalise(text)


def test_paths_that_are_one_to_the_ingress_have_one_owner_the_first():
    old = Site("z", (Name("a.example.com", path="/api", age=1),), project_id="p")
    new = Site("a", (Name("a.example.com", path="/API", age=2),), project_id="p")
    other = Site("b", (Name("a.example.com", path="/other", age=3),), project_id="q")
    claims, unserved = settle([new, other, old], "")
    assert [(claim.site.app_id, claim.name.path) for claim in claims] == [("z", "/api")]
    assert {(entry.app_id, entry.reason) for entry in unserved} == {("a", Reason.TAKEN), ("b", Reason.TAKEN)}
