"""Secrets stay out of text."""

from better_paas.kit.redact import Redactor, redact_fields, redact_text


def test_known_values_are_masked_the_longest_first():
    redactor = Redactor(["secret", "secret-longer"])
    assert redactor.text("a secret-longer b secret c") == "a *** b *** c"


def test_values_too_short_to_be_secret_are_left():
    assert Redactor(["1", "on"]).text("turned on 1") == "turned on 1"


def test_forms_that_always_look_like_secrets():
    assert redact_text("https://user:pw@host/x") == "https://***@host/x"
    assert redact_text("https://token@host/x") == "https://***@host/x"
    assert redact_text("Authorization: Bearer abcdefgh12345678") == "Authorization: Bearer ***"
    assert redact_text("bpagt_abcdefgh123") == "bpagt_***"
    assert redact_text("GET /ws/logs?token=abc&x=1") == "GET /ws/logs?token=***&x=1"


def test_fields_with_secret_names():
    assert redact_fields({"gitToken": "x", "name": "a", "nested": {"password": "y"}, "token": None}) == {
        "gitToken": "***", "name": "a", "nested": {"password": "***"}, "token": None,
    }  # fmt: skip
