"""Sealed values open at their own place and nowhere else."""

import base64
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_paas.kit.crypto import CannotOpen, KeyRefused, Keyring, is_sealed, new_key, parse_key

RING = Keyring([new_key()])


@given(st.text())
def test_what_was_sealed_comes_back(text):
    assert RING.open(RING.seal(text, "apps/a/env_vars"), "apps/a/env_vars") == text


def test_a_value_opens_at_its_own_place_alone():
    sealed = RING.seal("secret", "apps/a/git_token")
    assert "secret" not in sealed
    for place in ("apps/b/git_token", "apps/a/env_vars", "releases/a/git_token"):
        with pytest.raises(CannotOpen, match="changed or moved"):
            RING.open(sealed, place)


def test_the_same_text_is_sealed_differently_each_time():
    assert RING.seal("x", "p") != RING.seal("x", "p")


def test_each_changed_byte_is_found():
    sealed = RING.seal("a secret", "p")
    head, _, body = sealed.rpartition(":")
    raw = base64.urlsafe_b64decode(body)
    for number in range(len(raw)):
        changed = raw[:number] + bytes([raw[number] ^ 1]) + raw[number + 1 :]
        with pytest.raises(CannotOpen):
            RING.open(f"{head}:{base64.urlsafe_b64encode(changed).decode()}", "p")


def test_an_old_key_opens_and_the_new_one_seals():
    old, new = new_key(), new_key()
    sealed = Keyring([old]).seal("x", "p")
    both = Keyring([new, old])
    assert both.open(sealed, "p") == "x"
    assert not both.is_current(sealed)
    assert both.is_current(both.seal("x", "p"))
    with pytest.raises(CannotOpen, match="which is not there"):
        Keyring([new]).open(sealed, "p")


def test_clear_text_is_read_as_it_is():
    assert RING.open("plain", "p") == "plain"
    assert not is_sealed("plain")


def test_forms_of_a_key():
    raw = bytes(range(32))
    forms = (
        raw.hex(),
        raw.hex().upper(),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    )
    assert {parse_key(form).id for form in forms} == {parse_key(raw.hex()).id}


@pytest.mark.parametrize(
    "text", ["", "short", "g" * 64, "a" * 63, base64.b64encode(b"x" * 31).decode(), "ä" * 32, "x" * 10_000]
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(KeyRefused, match="32 bytes"):
        parse_key(text)


def test_a_ring_that_is_replaced_meanwhile_never_mixes_two_keys():
    old, new = new_key(), new_key()
    ring, both = Keyring([old]), Keyring([new, old])
    stop = threading.Event()

    def replace():
        while not stop.is_set():
            ring.replace([new, old])
            ring.replace([old])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(3000):
            assert both.open(ring.seal("x", "p"), "p") == "x"
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
