"""The form of agent tokens, and the registry that checks them."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_paas import policy
from better_paas.agents import token
from better_paas.agents.registry import EffectiveGrant, Grant, Registry

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def grant(made: str, **changes) -> Grant:
    parsed = token.parse(made)
    fields = {
        "id": parsed.id, "name": "a", "scopes": frozenset({"apps:read"}), "all_resources": True,
        "project_ids": frozenset(), "app_ids": frozenset(), "expires_at": None, "networks": (), "rate_per_minute": 600,
        "deploys_per_hour": None, "require_approval": "destructive", "parent_id": None, "digest": parsed.digest,
        "previous_digest": "", "previous_until": None, "suspended": False,
    }  # fmt: skip
    return Grant(**{**fields, **changes})


def test_a_token_is_recognised_and_its_secret_is_not_kept():
    made = token.make(token.new_agent_id())
    assert made.startswith("bpagt_")
    assert len(made) == token.LENGTH == 65
    parsed = token.parse(made)
    assert made[6:16] == parsed.id
    assert parsed.digest not in made
    assert len(parsed.digest) == 64


def test_each_wrong_character_is_told_by_the_checksum():
    made = token.make(token.new_agent_id())
    for number in range(len(made)):
        other = "b" if made[number] != "b" else "c"
        assert token.parse(made[:number] + other + made[number + 1 :]) is None


@given(st.text(max_size=200) | st.from_regex(token.PATTERN, fullmatch=True))
def test_no_text_breaks_the_parser(text):
    parsed = token.parse(text)
    assert parsed is None or text.startswith(f"bpagt_{parsed.id}")


def test_secrets_differ():
    assert len({token.make("a123456789") for _ in range(1000)}) == 1000


def test_right_wrong_unknown_and_expired():
    registry, made = Registry(), token.make(token.new_agent_id())
    other = token.make(made[6:16])
    registry.put(grant(made, expires_at=NOW + timedelta(days=1)))
    assert registry.check(token.parse(made), NOW)[0].own.name == "a"
    assert registry.check(token.parse(other), NOW) is None
    assert registry.check(token.parse(token.make(token.new_agent_id())), NOW) is None
    assert registry.check(token.parse(made), NOW + timedelta(days=1)) is None
    registry.remove([made[6:16]])
    assert registry.check(token.parse(made), NOW) is None


def test_the_token_from_before_a_rotation_works_for_its_grace_and_is_flagged():
    registry, old = Registry(), token.make(token.new_agent_id())
    new = token.make(old[6:16])
    registry.put(grant(new, previous_digest=token.parse(old).digest, previous_until=NOW + timedelta(hours=1)))
    assert registry.check(token.parse(new), NOW)[1] is False
    assert registry.check(token.parse(old), NOW)[1] is True
    assert registry.check(token.parse(old), NOW + timedelta(hours=1)) is None


def test_a_child_does_what_all_above_it_allow_and_dies_with_them():
    registry = Registry()
    parent, child = token.make("aparent000"), token.make("achild0000")
    registry.put(
        grant(parent, scopes=frozenset({"apps:read", "logs:read"}), all_resources=False, app_ids=frozenset({"one"}))
    )
    registry.put(grant(child, scopes=frozenset({"apps:read", "apps:write"}), parent_id="aparent000"))
    holder = registry.check(token.parse(child), NOW)[0]
    assert holder.scopes == {"apps:read"}
    assert holder.sees_app("one", "p")
    assert not holder.sees_app("two", "p")
    assert not holder.all_resources
    registry.remove(["aparent000"])
    assert registry.check(token.parse(child), NOW) is None


@pytest.mark.parametrize(
    ("addresses", "address", "admitted"),
    [
        ((), "203.0.113.9", True),
        (("203.0.113.0/24",), "203.0.113.9", True),
        (("203.0.113.0/24",), "203.0.114.9", False),
        (("203.0.113.0/24",), "::ffff:203.0.113.9", True),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "203.0.113.9", False),
        (("203.0.113.0/24",), "unknown", False),
    ],
)
def test_addresses(addresses, address, admitted):
    import ipaddress

    networks = tuple(ipaddress.ip_network(text) for text in addresses)
    assert grant(token.make("a123456789"), networks=networks).admits(address) is admitted


def test_the_rate_lets_a_burst_pass_and_then_so_many_a_second():
    registry, found = Registry(), grant(token.make("a123456789"), rate_per_minute=60)
    assert [registry.take(found, 100.0) for _ in range(60)] == [0.0] * 60
    assert registry.take(found, 100.0) == pytest.approx(1.0)
    assert registry.take(found, 101.1) == 0.0
    assert registry.take(found, 101.1) > 0


def test_which_calls_a_person_is_asked_for():
    def asked(wish):
        holder = EffectiveGrant(
            (grant(token.make("a123456789"), scopes=frozenset(policy.SCOPES), require_approval=wish),)
        )
        return {row.name for row in policy.ACTIONS if holder.wants_approval(row)}

    assert asked("none") == {"project:delete"}
    assert asked("destructive") == {
        "app:delete", "app:purge", "app:reach", "app:domain_remove", "project:delete", "agent:delete", "volume:delete",
    }  # fmt: skip
    assert {"app:deploy", "app:update", "app:delete"} < asked("all")
    assert not {row.name for row in policy.ACTIONS if not row.mutates} & asked("all")


def test_no_profile_deletes_or_manages_tokens():
    for name, scopes in policy.PROFILES.items():
        assert not {"apps:delete", "agent:admin", "system:manage"} & set(scopes), name
    assert set(policy.PROFILES["observer"]) < set(policy.PROFILES["deployer"]) < set(policy.PROFILES["operator"])


def test_a_check_costs_microseconds():
    """A bound that only another order of growth would break: a hash made for passwords takes 30 ms each."""
    registry, made = Registry(), token.make(token.new_agent_id())
    registry.put(grant(made))
    started = time.perf_counter()
    for _ in range(1000):
        registry.check(token.parse(made), NOW)
    assert time.perf_counter() - started < 1.0
