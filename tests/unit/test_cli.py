"""Pieces of the client: discovery, the way back from the browser, packing, variables, what is shown."""

import argparse
import contextlib
import http.client
import io
import json
import os
import stat
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from better_paas.cli import client, config, deploy, jsonc, output, patience, variables
from better_paas.cli.config import Instance
from better_paas.cli.discovery import discover, normalised
from better_paas.cli.errors import CliError
from better_paas.cli.loopback import Loopback
from better_paas.cli.pack import pack
from better_paas.cli.run import build, run
from better_paas.kit.plain import one_line, plain


class FakeServer:
    """Answers by path: (status, JSON)."""

    def __init__(self, answers: dict) -> None:
        self.answers = answers
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments): ...

            def do_GET(self):
                status, body = outer.answers.get(self.path, (404, {"error": "no"}))
                content = json.dumps(body).encode()
                self.send_response(status)
                if status == 301:
                    self.send_header("Location", "https://elsewhere.example/")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    made = FakeServer({"/api/health": (200, {"status": "healthy"})})
    yield made
    made.close()


MANIFEST = "/.well-known/better-paas.json"


def test_discovery_by_manifest_and_without_one(server):
    found = discover(server.url)
    assert (found.api, found.dashboard, found.foreign) == (server.url, server.url, False)
    server.answers[MANIFEST] = (200, {"apiUrl": server.url, "uiUrl": "https://ui.example"})
    assert discover(server.url).dashboard == "https://ui.example"
    assert discover(server.url, "https://other.example").dashboard == "https://other.example"


def test_an_api_on_another_host_is_told(server):
    other = FakeServer(dict(server.answers))
    server.answers[MANIFEST] = (200, {"apiUrl": other.url})
    assert discover(server.url).foreign is True
    other.close()


def test_https_never_leads_to_http(monkeypatch, server):
    from better_paas.cli import discovery

    monkeypatch.setattr(discovery, "_manifest", lambda own: ({"apiUrl": server.url}, own))
    with pytest.raises(CliError, match="without HTTPS"):
        discover("https://paas.example.com")


@pytest.mark.parametrize("answer", [(301, {}), (200, ["no"])])
def test_what_is_no_server_of_ours(server, answer):
    server.answers = {MANIFEST: answer, "/api/health": answer}
    with pytest.raises(CliError):
        discover(server.url)


def test_nobody_there():
    with pytest.raises(CliError, match="could not reach PaaS at") as caught:
        discover("http://127.0.0.1:9")
    assert caught.value.code == 4


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("paas.example.com", "https://paas.example.com"), ("localhost:8080", "http://localhost:8080"),
        ("https://paas.example.com/apps/x", "https://paas.example.com"), (" http://127.0.0.1:3000/ ", "http://127.0.0.1:3000"),
    ],
)  # fmt: skip
def test_addresses(text, address):
    assert normalised(text) == address


@pytest.mark.parametrize(
    "text", ["", "ftp://x", "http://[", "https://", "https://user@x", "http://x:99999", "file:///etc"]
)
def test_what_is_no_address(text):
    with pytest.raises(CliError):
        normalised(text)


# The way back from the browser


def asked(loopback: Loopback, path: str, host: str | None = None, method: str = "GET") -> int:
    port = urlsplit(loopback.redirect).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    with contextlib.closing(connection):
        return connection.getresponse().status


@pytest.fixture
def waiting():
    loopback = Loopback("https://paas.example.com")
    outcome: list = []

    def wait():
        try:
            outcome.append(loopback.wait(10))
        except CliError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    yield loopback, outcome, thread
    thread.join(10)


def good(loopback: Loopback, code: str = "the-code", **changes) -> str:
    fields = {"code": code, "state": loopback.state, "iss": "https://paas.example.com", **changes}
    return "/callback?" + "&".join(f"{name}={value}" for name, value in fields.items())


def test_only_the_right_answer_is_taken_and_only_once(waiting):
    loopback, outcome, thread = waiting
    question = parse_qs(urlsplit(loopback.question("https://ui.example", "my CLI")).query)
    assert question["code_challenge_method"] == ["S256"]
    assert question["redirect_uri"] == [loopback.redirect]
    assert asked(loopback, "/favicon.ico") == 404
    assert asked(loopback, good(loopback, state="wrong")) == 400
    assert asked(loopback, good(loopback) + "&state=" + loopback.state) == 400
    assert asked(loopback, good(loopback), host="evil.example") == 403
    assert asked(loopback, good(loopback), method="POST") == 404
    assert asked(loopback, good(loopback, code="")) == 400
    assert outcome == []
    assert asked(loopback, good(loopback)) == 200
    thread.join(10)
    assert outcome == ["the-code"]
    with pytest.raises(OSError):
        asked(loopback, good(loopback, code="second"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"iss": "https://evil.example"}, "another server"), ({"error": "access_denied"}, "refused in the browser")],
)
def test_answers_that_end_it(waiting, changes, words):
    loopback, outcome, thread = waiting
    assert asked(loopback, good(loopback, **changes)) == 200
    thread.join(10)
    assert words in str(outcome[0])


def test_it_does_not_wait_for_ever():
    loopback = Loopback("https://paas.example.com")
    started = time.monotonic()
    with pytest.raises(CliError, match="timed out waiting for browser authorization"):
        loopback.wait(0.3)
    assert time.monotonic() - started < 3


# The configuration


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PAAS_API_URL", raising=False)
    monkeypatch.delenv("PAAS_TOKEN", raising=False)
    return tmp_path


def test_instances(home, capsys):
    config.save(Instance("https://one.example", "t1", "deployer", "a", "i", "default"))
    config.save(Instance("https://two.example", "t2", "observer", "b", "j", "two.example"))
    place = home / ".paas" / "config.json"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert json.loads(place.read_text())["token"] == "t2"
    assert run(["use", "default"]) == 0
    assert config.current().token == "t1"
    assert config.current("two.example").token == "t2"
    place.chmod(0o644)
    config.current()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    config.remove("default")
    assert config.current().token == "t2"
    with pytest.raises(CliError):
        config.current("nothing")
    config.remove("two.example")
    assert not place.exists()
    place.write_text("{")
    with pytest.raises(CliError, match="can't be read"):
        config.current()


@pytest.mark.parametrize("shell", ["posix", "fish", "powershell"])
def test_exports_are_quoted(home, capsys, shell):
    config.save(Instance("https://x.example", "a'b$(id)`id`\\", "", "", "", "default"))
    assert run(["env", "--shell", shell]) == 0
    shown = capsys.readouterr().out
    expected = {"posix": "'a'\"'\"'b$(id)`id`\\'", "fish": "'a\\'b$(id)`id`\\\\'", "powershell": "'a''b$(id)`id`\\'"}
    assert expected[shell] in shown


def test_without_a_connection_and_with_wrong_words(home, capsys):
    assert run(["status"]) == 3
    assert "paas connect" in capsys.readouterr().err
    assert run(["status", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "not connected to any server"
    assert run(["dance"]) == 2
    assert run(["deploy", "--loud"]) == 2
    assert run([]) == 0
    assert "examples:" in capsys.readouterr().out


def test_nothing_that_comes_is_a_traceback(home, capsys, monkeypatch):
    for url, token in (
        ("garbage", "x"),
        ("file:///etc", "x"),
        ("http://127.0.0.1:9", "a\nb"),
        ("http://127.0.0.1:9", "ü"),
    ):
        monkeypatch.setenv("PAAS_API_URL", url)
        monkeypatch.setenv("PAAS_TOKEN", token)
        assert run(["status"]) == 2
        assert token not in capsys.readouterr().err or token == "x"
    monkeypatch.delenv("PAAS_API_URL")
    place = home / ".paas"
    place.write_text("a file")
    assert run(["connect", "http://127.0.0.1:9", "--legacy", "--admin-token", "x"]) in (1, 4)
    assert run(["stat"]) == 2
    assert "Did you mean start?" in capsys.readouterr().err


def test_a_token_that_can_not_be_kept_is_not_made(home, capsys):
    (home / ".paas").mkdir()
    (home / ".paas" / "config.json").write_text("{")
    assert run(["connect", "http://127.0.0.1:9", "--legacy", "--admin-token", "x"]) == 1
    assert "can't be read" in capsys.readouterr().err


def test_what_may_be_repeated_takes_nothing_away():
    app = {"domains": ["a.example"], "buildArgs": {"A": "1", "B": "2"}, "aptPackages": [], "version": "v1"}
    settings = {"domains": ["b.example", "a.example"], "buildArgs": {"B": "3"}, "memory": "1g"}
    assert deploy._beside(app, settings) == {
        "domains": ["a.example", "b.example"], "buildArgs": {"A": "1", "B": "3"}, "memory": "1g", "version": "v1",
    }  # fmt: skip
    assert deploy._beside(app, {"memory": ""}) == {"memory": ""}


def test_an_empty_text_takes_a_setting_back():
    options = build().parse_args(["deploy", ".", "--port", "0", "--install", "", "--no-single-page"])
    assert deploy._settings(None, options) == {"portOverride": 0, "installCommand": "", "singlePage": False}


def test_a_directory_comes_before_a_repository_of_the_same_name(tmp_path, monkeypatch):
    from better_paas.cli.deploy import _folder

    monkeypatch.chdir(tmp_path)
    assert _folder("apps/shop") is None
    (tmp_path / "apps" / "shop").mkdir(parents=True)
    assert str(_folder("apps/shop")) == "apps/shop"
    with pytest.raises(CliError):
        _folder("./nothing")


# Packing


def names(folder) -> set[str]:
    buffer = io.BytesIO()
    pack(folder, buffer)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        assert all(member.isreg() for member in tar)
        return {member.name.removeprefix("source/") for member in tar}


def fill(folder, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")


def test_what_is_packed(tmp_path):
    fill(
        tmp_path, "app.py", ".git/config", "node_modules/x/y.js", ".env", ".env.example", "build/out.js", "build/keep.js",
        "sub/app.log", "sub/important.log", "sub/.gitignore", "__pycache__/a.pyc", "deep/node_modules/z.js",
    )  # fmt: skip
    (tmp_path / ".gitignore").write_text("*.log\n/build/*\n!/build/keep.js\n")
    (tmp_path / "sub" / ".gitignore").write_text("!important.log\n")
    assert names(tmp_path) == {
        "app.py", ".env.example", ".gitignore", "build/keep.js", "sub/important.log", "sub/.gitignore",
    }  # fmt: skip
    (tmp_path / ".dockerignore").write_text("sub\n")
    assert not {"sub/important.log", ".env"} & names(tmp_path)
    (tmp_path / ".dockerignore").write_text("!.env\n")
    assert ".env" in names(tmp_path)


def test_links_stay_inside(tmp_path):
    folder = tmp_path / "app"
    fill(folder, "real.txt")
    (folder / "inside").symlink_to("real.txt")
    (folder / "outside").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to("/etc")
    (folder / "broken").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    fill(folder, ".env", ".git/config", "secret.log", "node_modules/x.js")
    (folder / ".gitignore").write_text("*.log\n")
    for number, target in enumerate((".env", ".git/config", "secret.log", "node_modules/x.js")):
        (folder / f"leak{number}").symlink_to(target)
    buffer = io.BytesIO()
    leaks = [f"leak{number}" for number in range(4)]
    assert sorted(pack(folder, buffer).left_out) == ["broken", "folder", *leaks, "outside"]
    (folder / ".gitignore").unlink()
    (folder / "secret.log").unlink()
    assert names(folder) == {"real.txt", "inside"}


def test_an_empty_directory_is_no_app(tmp_path):
    with pytest.raises(CliError, match="nothing to deploy"):
        pack(tmp_path, io.BytesIO())


# Variables


def imported(monkeypatch, file, *, secret=False):
    """What `paas env import` sets, and which names it marks."""
    monkeypatch.setattr(variables, "_apply", lambda _, wanted, gone, marked: (wanted, marked))
    return variables.import_file(argparse.Namespace(file=str(file), secret=secret))


def test_an_imported_file_arrives_as_it_is_and_secrets_are_marked(monkeypatch, tmp_path):
    file = tmp_path / ".env"
    file.write_bytes("\ufeffMODE=a\u2028b\r\nAPI_TOKEN='x\r\n y '\r\nDB=postgres://u:p@db\r\n".encode())
    values = {"MODE": "a\u2028b", "API_TOKEN": "x\n y ", "DB": "postgres://u:p@db"}
    assert imported(monkeypatch, file) == (values, ["API_TOKEN", "DB"])
    assert imported(monkeypatch, file, secret=True) == (values, ["MODE", "API_TOKEN", "DB"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"A='x' y", "line 1: text behind a closing quote"),
        (b"A=\xff", "it is no UTF-8"),
        (b"# nothing\n", "holds no variables"),
        (b"A=" + b"x" * 1024 * 1024, "is longer than 1024 KiB"),
    ],
)
def test_a_file_that_can_not_be_imported(monkeypatch, tmp_path, content, message):
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(CliError, match=message):
        imported(monkeypatch, file)


# What is shown


@given(some.text())
def test_nothing_that_is_shown_steers_a_terminal(text):
    shown = plain(text)
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in shown)
    assert not any(0x7F <= ord(letter) <= 0x9F or 0x202A <= ord(letter) <= 0x202E for letter in shown)
    assert "\n" not in one_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred\x1b[0m", "\x1b]0;evil title\x07red", "\x1b]8;;https://evil\x1b\\red\x1b]8;;\x1b\\", "\x9b31mred", "re\u202e\u200bd",
        "\x1bPq#0\x1b\\red", "\x1b(Bred", "red\x1b[2J\x1b[H", "\x1b_evil\x1b\\red", "red\x1b",
    ],
)  # fmt: skip
def test_escapes_go(text):
    assert plain(text) == "red"


def test_tables_hold_hostile_names(capsys):
    output.table(("NAME", "STATUS"), [("\x1b[2Jevil\nname", "running"), ("x" * 50, None)])
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].startswith("evil name ")
    assert "\x1b" not in shown


# JSON with comments


@given(
    some.recursive(
        some.none() | some.booleans() | some.integers() | some.text(),
        lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
        max_leaves=20,
    ).filter(lambda value: isinstance(value, dict)),
    some.sampled_from([None, 2, "\t"]),
)
def test_one_member_changes_and_all_else_stays(document, indent):
    text = json.dumps(document, indent=indent)
    assert jsonc.get(text, ()) == document
    if not isinstance(document.get("servers", {}), dict):
        return
    changed = jsonc.put(text, ("servers", "ours"), {"command": "paas", "args": ["mcp"]})
    expected = json.loads(text)
    expected.setdefault("servers", {})["ours"] = {"command": "paas", "args": ["mcp"]}
    assert json.loads(changed) == expected
    assert jsonc.put(changed, ("servers", "ours"), {"command": "paas", "args": ["mcp"]}) == changed
    del expected["servers"]["ours"]
    assert json.loads(jsonc.drop(changed, ("servers", "ours"))) == expected


@given(some.text(alphabet='{}[]",:/*ab1 \n\\'))
def test_no_text_makes_the_reader_fall_over(text):
    with contextlib.suppress(jsonc.NotJson):
        jsonc.get(text, ("a",))


@pytest.mark.parametrize("way", ["once", "upload"])
def test_what_is_asked_for_again_has_the_same_key_and_the_same_body(tmp_path, monkeypatch, way):
    monkeypatch.setattr(patience, "_PAUSE_SECONDS", 0)
    seen = []

    class Forgetful(BaseHTTPRequestHandler):
        def log_message(self, *arguments): ...

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.headers["Idempotency-Key"], body))
            if len(seen) == 1:  # it was done, and nobody hears of it
                self.close_connection = True
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"id": "a"}')

    with ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api = client.Api(f"http://127.0.0.1:{server.server_port}")
        archive = tmp_path / "source.tar.gz"
        archive.write_bytes(b"x" * 700_000)
        if way == "once":
            assert api.once("/api/deploy", name="shop") == {"id": "a"}
        else:
            assert api.upload("/api/deploy/upload", {"name": "shop"}, archive, lambda *_: None) == {"id": "a"}
        server.shutdown()
    (first, second) = seen
    assert first == second
    assert len(first[0]) == 32
