"""What of a Git source is not in its files: submodules, and files that are elsewhere."""

import pytest

from better_paas.git import lfs, submodules
from better_paas.git.errors import FetchFailed
from better_paas.git.source import parse_address

PARENT = parse_address("https://git.example.com/team/shop.git")


def settings(**urls: str) -> bytes:
    pairs = [
        (f"submodule.{name}.{field}", value)
        for name, url in urls.items()
        for field, value in (("path", f"libs/{name}"), ("url", url))
    ]
    return "".join(f"{key}\n{value}\0" for key, value in [("core.x", "1"), *pairs]).encode()


def addresses(text: bytes):
    found = submodules.Settings(len(text))
    found.feed(text)
    return found.addresses(PARENT)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("../ui.git", "https://git.example.com/team/ui.git"),
        ("../../other/ui", "https://git.example.com/other/ui"),
        ("https://git.example.com/a/b", "https://git.example.com/a/b"),
        # As they are written for people's own machines: reached as the repository itself is, which was checked.
        ("git@git.example.com:a/b", "https://git.example.com/a/b"),
        ("ssh://git@git.example.com/a/b", "https://git.example.com/a/b"),
        ("http://git.example.com/a/b", "https://git.example.com/a/b"),
    ],
)
def test_addresses_on_the_same_host(url, address):
    assert addresses(settings(ui=url))["libs/ui"].url == address


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a/b", "git@evil.example:a/b", "https://git.example.com:8443/a/b", "file:///etc",
        "../../../../../etc/passwd\n", "ext::sh -c id", "ssh://git@git.example.com:2222/a/b", "--upload-pack=x",
    ],
)  # fmt: skip
def test_all_others_are_refused(url):
    with pytest.raises(FetchFailed):
        addresses(settings(ui=url))


def test_commits_of_a_listing():
    listing = b"100644 blob " + b"1" * 40 + b"\ta\0" + b"160000 commit " + b"2" * 40 + b"\tlibs/\xc3\xbc\0"
    for size in (1, 7, 1000):  # however it comes
        links = submodules.Links()
        for start in range(0, len(listing), size):
            links.feed(listing[start : start + size])
        assert links.commits() == {"libs/ü": "2" * 40}


def test_little_that_becomes_much_is_too_much():
    links = submodules.Links()
    with pytest.raises(FetchFailed, match="more than 50 submodules"):
        for number in range(60):
            links.feed(b"160000 commit " + b"2" * 40 + f"\tlibs/{number}\0".encode())
    with pytest.raises(FetchFailed, match="too large"):
        submodules.Settings(170_000)
    # The name of a section is said again for each of its lines.
    found = submodules.Settings(60_000)
    with pytest.raises(FetchFailed, match="too large"):
        for _ in range(10):
            found.feed(b"submodule." + b"x" * 50_000 + b".url\nx\0")


def test_pointers_are_named(tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (tmp_path / "in").mkdir()
    for name, text in (("in/model.bin", pointer), ("a.txt", "version https://git"), ("large", pointer + "x" * 2000)):
        (tmp_path / name).write_text(text)
    (tmp_path / "link").symlink_to("in/model.bin")
    assert lfs.pointers(tmp_path) == []
    (tmp_path / "in" / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    assert lfs.pointers(tmp_path) == ["in/model.bin"]
