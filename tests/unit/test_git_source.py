"""Git addresses and refs: what is understood, and what never reaches git."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_paas.git.source import SourceRefused, check_ref, is_commit, parse_address


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://github.com/a/b", "https://github.com/a/b"),
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("a/b", "https://github.com/a/b"),
        ("git clone https://x.org/a/b.git", "https://x.org/a/b.git"),
        ("git@x.org:a/b.git", "ssh://git@x.org/a/b.git"),
        ("ssh://git@x.org:2222/a/b", "ssh://git@x.org:2222/a/b"),
        ("x.org/a/b", "https://x.org/a/b"),
        ("http://[2001:db8::1]:3000/a", "http://[2001:db8::1]:3000/a"),
    ],
)
def test_understood(text, url):
    assert parse_address(text).url == url


def test_a_password_in_the_address_leaves_it():
    address = parse_address("https://user:pass-word@x.org/a/b")
    assert address.token == "user:pass-word"
    assert "pass" not in address.url


@pytest.mark.parametrize(
    "text",
    [
        "ext::sh -c id", "file:///etc/passwd", "/etc/passwd", "../x", "--upload-pack=id", "-u", "git://x.org/a",
        "https://x.org/a;id", "https://x.org/$(id)", "https://x.org/`id`", "https://x.org/a\nid", "https://x.org/a b",
        "https://-x.org/a", "ssh://-oProxyCommand=id/a", "ssh://x.org/a?b", "https://x.org/../../a", "https://x.org/",
        "https://x.org/a\0b", "git@-x:a", "", "https://x.org:99999/a", "https://x.org/" + "a" * 700,
        "https://x.org/a\u2028b", "javascript://x.org/a",
    ],
)  # fmt: skip
def test_refused(text):
    with pytest.raises(SourceRefused):
        parse_address(text)


@given(st.text(max_size=80))
def test_no_text_becomes_an_option_or_another_protocol(text):
    try:
        url = parse_address(text).url
    except SourceRefused:
        return
    assert url.split("://")[0] in ("https", "http", "ssh")
    assert not any(character in url for character in "\0\n\r ;$`'\"\\|&<>")


@pytest.mark.parametrize(
    "ref",
    [
        "main",
        "v1.2.3",
        "feature/x_y",
        "release-1",
        "a" * 40,
        "müller",
        "feat(x)/y",
        "it's",
        "#123",
        "a@b",
        "日本語",
        "$(id)",
        ";id",
        "x{y}",
        "a..b".replace("..", "."),
    ],
)
def test_good_refs(ref):
    assert check_ref(ref) == ref


@pytest.mark.parametrize(
    "ref",
    [
        "-x",
        "--upload-pack=x",
        "a..b",
        "a b",
        "a\nb",
        "a~1",
        "a^",
        "a:b",
        "a\\b",
        "x.lock",
        "x.lock/a",
        "a/.b",
        "/a",
        "a/",
        "@{1}",
        "a\0",
        "@",
        "a?",
        "a*",
        "a[b",
        "a.",
        "a\u2028b",
        "x" * 300,
    ],
)
def test_bad_refs(ref):
    with pytest.raises(SourceRefused):
        check_ref(ref)


def test_commits_are_full_ids():
    assert is_commit("0" * 40)
    assert not is_commit("0" * 39)
    assert not is_commit("main")
