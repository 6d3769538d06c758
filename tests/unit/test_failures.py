"""Guessing gets slower; the wait is told; networks share a bucket."""

from better_paas.access.failures import FailureLimit


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_five_are_free_then_the_wait_doubles_to_a_quarter_of_an_hour():
    clock = Clock()
    limit = FailureLimit(clock)
    assert [limit.fail("1.2.3.4") for _ in range(5)] == [0.0] * 5
    waits = []
    for _ in range(12):
        waits.append(limit.fail("1.2.3.4"))
        clock.now += waits[-1]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_asking_again_while_waiting_does_not_lengthen_the_wait():
    clock = Clock()
    limit = FailureLimit(clock)
    for _ in range(6):
        limit.fail("1.2.3.4")
    clock.now += 0.5
    assert limit.fail("1.2.3.4") == 1.5


def test_addresses_are_apart_and_an_ipv6_network_is_one():
    limit = FailureLimit(Clock())
    for number in range(6):
        limit.fail(f"2001:db8::{number + 1}")
    assert limit.fail("2001:db8::ffff") > 0
    assert limit.fail("2001:db8:0:1::1") == 0
    assert limit.fail("1.2.3.4") == 0


def test_who_has_many_ipv6_networks_waits_in_all_of_them():
    limit = FailureLimit(Clock())
    waits = [limit.fail(f"2001:db8:5:{number:x}::1") for number in range(200)]
    assert waits[:50] == [0.0] * 50
    assert all(waits[50:])
    assert sum(limit.take_unlogged().values()) == 150  # each attempt once
    assert limit.fail("2001:db8:6::1") == 0
    assert limit.fail("1.2.3.4") == 0


def test_an_ipv4_address_is_one_in_both_spellings():
    limit = FailureLimit(Clock())
    for _ in range(5):
        limit.fail("1.2.3.4")
    assert limit.fail("::ffff:1.2.3.4") > 0
    assert limit.fail("::ffff:1.2.3.5") == 0


def test_an_hour_later_it_is_forgotten():
    clock = Clock()
    limit = FailureLimit(clock)
    for _ in range(6):
        limit.fail("1.2.3.4")
    clock.now += 3601
    assert limit.fail("1.2.3.4") == 0
