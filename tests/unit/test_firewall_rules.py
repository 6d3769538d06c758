"""The rules as text: which openings there are, and whose."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_paas.firewall.rules import Opening, Reach, Wanted, rules
from better_paas.runtime.addresses import hardware_address, of_release


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("10.0.0.5:5432", "10.0.0.5:5432"),
        ("10.0.0.5/32", "10.0.0.5"),
        ("10.0.0.0/8:80", "10.0.0.0/8:80"),
        ("[fd00:0::1]:80", "[fd00::1]:80"),
        ("[fd00::/64]", "[fd00::/64]"),
    ],
)
def test_an_opening_is_written_in_one_way(text, written):
    assert str(Opening.parse(text)) == written


@given(st.ip_addresses(), st.integers(0, 65535))
def test_what_is_written_is_read_again(address, port):
    made = Opening(ipaddress.ip_network(address), port or None)
    assert Opening.parse(str(made)) == made


def made(version: int, *reaches: Reach) -> dict[str, list[str]]:
    networks = [ipaddress.ip_network(text) for text in ("10.201.0.0/16", "fd01::/64")]
    shared = ipaddress.ip_network("172.17.0.0/16")
    wanted = Wanted("instance0001", "/data", (*networks, shared), (), (80, 443), (), tuple(networks), reaches)
    return rules(wanted, version)


def test_what_one_app_may_reach_is_said_for_its_containers_on_networks_of_apps_before_all_is_refused():
    mine = Reach(("02:00:00:00:00:01",), (Opening.parse("10.77.0.1:5432"), Opening.parse("[fd02::1]")))
    for version, source, wanted in ((4, "10.201.0.0/16", "-d 10.77.0.1/32"), (6, "fd01::/64", "-d fd02::1/128")):
        before, after = made(version), made(version, mine)
        assert before.keys() == after.keys()
        for chain in before:
            added = [rule for rule in after[chain][:-1] if rule not in before[chain]]
            assert len(added) == (2 if version == 4 else 1)  # TCP and UDP, or all
            for rule in added:
                assert rule.startswith(f"-s {source} {wanted} -m mac --mac-source 02:00:00:00:00:01 ")
                assert rule.endswith("-j RETURN")
            first_refused = next(at for at, rule in enumerate(after[chain]) if "REJECT" in rule)
            assert after[chain].index(added[-1]) < first_refused
            # The last rule says which they all are: another one is another set.
            assert before[chain][-1] != after[chain][-1]


def test_each_container_has_an_address_of_its_own_that_no_device_has():
    found = [*of_release("one", ["jobs"]), *of_release("two", ["jobs"])]
    assert len(set(found)) == len(found) == 6
    assert of_release("one", ["jobs"]) == tuple(hardware_address("one", name) for name in ("main", "once", "jobs"))
    for address in found:
        first = int(address[:2], 16)
        assert first & 0b10 and not first & 0b1  # given locally, to one
