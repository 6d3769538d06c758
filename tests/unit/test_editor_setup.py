"""`paas setup`: foreign keys are kept, twice is the same bytes, and removing gives the original."""

import json
import re
import subprocess
import sys

import pytest
import tomlkit

from better_paas.cli import config, jsonc
from better_paas.cli.editors import EDITORS, SERVER
from better_paas.cli.run import run

JSON_FILES = {
    "plain": '{\n  "mcpServers": {\n    "other": {"command": "x"}\n  },\n  "theme": "dark"\n}\n',
    "comments": '// mine\n{\n\t// servers\n\t"mcpServers": { /* none */ },\n\t"a": [1, 2,], // trailing\n}\n',
    "one line": '{"mcpServers":{"other":{"command":"x"}},"a":1}',
    "no servers": '{\n    "a": {"b": "é\\n\\u2028"}\n}',
    "empty object": "{}",
    "empty": "",
    "blank": "\n",
    "windows": '{\r\n  "mcpServers": {\r\n    "other": {}\r\n  }\r\n}\r\n',
    "mark": '\ufeff{"a": 1}',
    "deep": '{"projects": {"/home": {"mcpServers": {"better-paas": "not ours"}}}, "mcpServers": {},}',
}
TOML_FILES = {
    "plain": '# mine\nmodel = "x"\n\n[mcp_servers.other]\ncommand = "y" # why\n\n[profiles.a]\nb = 1\n',
    "empty": "",
    "inline": 'mcp_servers = { other = { command = "y" } }\n',
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "PAAS_API_URL", "PAAS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    config.save(config.Instance("http://127.0.0.1:1", "bpagt_x", "deployer", "me", "a", "default"))
    return folder


@pytest.mark.parametrize("editor", EDITORS, ids=lambda editor: editor.key)
def test_each_editor_there_and_back(home, capsys, editor):
    samples = TOML_FILES if editor.user[0]().suffix == ".toml" else JSON_FILES
    for label, text in samples.items():
        text = text.replace("mcpServers", editor.at[0])
        for place in editor.user:
            place().parent.mkdir(parents=True, exist_ok=True)
            place().write_bytes(text.encode())
            place().chmod(0o644)
        assert run(["setup", "--only", editor.key]) == 0, (label, capsys.readouterr())
        for place in editor.user:
            written = place().read_bytes()
            assert run(["setup", "--only", editor.key]) == 0
            assert place().read_bytes() == written, label
            assert place().stat().st_mode & 0o777 == 0o644
            assert (b"\r\n" in written) == (written.count(b"\n") == written.count(b"\r\n") > 0)
            found = _parsed(place(), written.decode())
            assert found[editor.at[0]][SERVER] == editor.shape(_command(found, editor))
            before = _parsed(place(), text)
            for name, value in before.items():
                if name != editor.at[0]:
                    assert found[name] == value, label
            assert {**found[editor.at[0]], SERVER: None} == {**(before.get(editor.at[0]) or {}), SERVER: None}
        assert run(["setup", "--only", editor.key, "--remove"]) == 0
        for place in editor.user:
            assert place().read_bytes() == text.encode(), label
            assert sorted(path.name for path in place().parent.glob("*before-paas*")) == []
    capsys.readouterr()


def _parsed(path, text: str) -> dict:
    if path.suffix == ".toml":
        return tomlkit.parse(text).unwrap()
    return (jsonc.get(text, ()) if text.strip() else None) or {}


def _command(found: dict, editor) -> list[str]:
    entry = found[editor.at[0]][SERVER]
    command = entry["command"] if isinstance(entry["command"], list) else [entry["command"], *entry["args"]]
    assert command[0].endswith("paas")
    assert command[1:] == ["mcp"]
    return command


@pytest.mark.parametrize("editor", EDITORS, ids=lambda editor: editor.key)
def test_a_file_that_was_not_there_goes_again(home, capsys, editor):
    assert run(["setup", "--only", editor.key]) == 0
    for place in editor.user:
        assert place().stat().st_mode & 0o777 == 0o600
    assert run(["setup", "--only", editor.key, "--remove"]) == 0
    assert not any(place().exists() for place in editor.user)


def test_what_others_changed_meanwhile_stays(home, capsys):
    place = home / ".cursor" / "mcp.json"
    place.parent.mkdir()
    place.write_text('{\n  "mcpServers": {\n    "first": {}\n  }\n}\n')
    run(["setup", "--only", "cursor"])
    place.write_text(place.read_text().replace('"first": {}', '"first": {},\n    // new\n    "second": {}'))
    assert run(["setup", "--only", "cursor", "--remove"]) == 0
    assert jsonc.get(place.read_text(), ()) == {"mcpServers": {"first": {}, "second": {}}}
    assert "// new" in place.read_text()


@pytest.mark.parametrize("comma", ["", ","])
def test_a_comment_stays_with_its_member(comma):
    text = '{\n  "mcpServers": {\n    "other": {}COMMA // keep\n  }\n}\n'.replace("COMMA", comma)
    changed = jsonc.put(text, ("mcpServers", "ours"), {"a": 1})
    assert re.search(r'"other": \{\}, // keep\n    "ours": \{', changed)
    assert jsonc.get(changed, ("mcpServers", "ours")) == {"a": 1}
    back = jsonc.drop(changed, ("mcpServers", "ours"))
    assert jsonc.get(back, ()) == {"mcpServers": {"other": {}}}
    assert "// keep" in back


@pytest.mark.parametrize(
    "text",
    ['{"a": ', "[1]", '{"mcpServers": 7}', '{"mcpServers": "x"}', "nonsense", '{"a":1}{"b":2}', '{"\\q":1}'],
)
def test_what_can_not_be_read_is_left_alone(home, capsys, text):
    place = home / ".cursor" / "mcp.json"
    place.parent.mkdir()
    place.write_text(text)
    assert run(["setup", "--only", "cursor"]) == 1
    assert place.read_text() == text
    assert "left alone" in capsys.readouterr().err
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text("= broken")
    assert run(["setup", "--only", "codex"]) == 1
    assert (home / ".codex" / "config.toml").read_text() == "= broken"


@pytest.mark.parametrize("value", ["1.2.3", "9" * 5000, '"\\q"', "-"])
def test_a_value_that_is_none_is_told_as_such(value):
    with pytest.raises(jsonc.NotJson, match="line 2"):
        jsonc.get('{"b":1,\n"a":' + value + "}", ("a",))


def test_only_editors_that_are_there_get_an_entry(home, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(home))
    assert run(["setup"]) == 1
    assert "no editor was found" in capsys.readouterr().err
    (home / ".cursor").mkdir()
    (home / ".claude").mkdir()
    assert run(["setup"]) == 0
    assert (home / ".cursor" / "mcp.json").exists()
    assert json.loads((home / ".claude.json").read_text())["mcpServers"][SERVER]["type"] == "stdio"
    assert (home / ".claude" / "settings.json").exists()
    assert not (home / ".codex").exists()
    assert run(["setup", "--only", "emacs"]) == 2


def test_a_dry_run_changes_nothing_and_shows_no_foreign_secret(home, capsys):
    place = home / ".cursor" / "mcp.json"
    place.parent.mkdir()
    text = '{\n  "mcpServers": {\n    "other": {\n      "env": {"TOKEN": "canary-4711"}\n    }\n  }\n}\n'
    place.write_text(text)
    capsys.readouterr()
    assert run(["setup", "--only", "cursor", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert '+    "better-paas": {' in shown
    assert "canary" not in shown
    assert place.read_text() == text


def test_project_scope_names_no_path_of_this_machine(home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["setup", "--scope", "project", "--only", "claude", "--only", "vscode", "--instance", "default"]) == 0
    assert json.loads((tmp_path / ".mcp.json").read_text())["mcpServers"][SERVER]["command"] == "paas"
    entry = json.loads((tmp_path / ".vscode" / "mcp.json").read_text())["servers"][SERVER]
    assert entry == {"type": "stdio", "command": "paas", "args": ["mcp", "--instance", "default"]}
    assert run(["setup", "--scope", "project", "--only", "windsurf"]) == 1


def test_a_directory_of_somebody_else_can_not_aim_elsewhere(home, tmp_path, monkeypatch, capsys):
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    target = home / ".bashrc"
    target.write_text("mine")
    (project / ".mcp.json").write_text("/*\nevil\n*/\n{}")
    (project / ".mcp.json.before-paas").symlink_to(target)
    assert run(["setup", "--scope", "project", "--only", "claude"]) == 0
    (project / ".cursor").symlink_to(home)
    assert run(["setup", "--scope", "project", "--only", "cursor"]) == 1
    assert target.read_text() == "mine"
    assert not (home / "mcp.json").exists()


def test_doctor_starts_nothing_but_our_own_program(home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    evil = {"command": "sh", "args": ["-c", f"touch {tmp_path}/evil"], "env": {"PATH": str(tmp_path)}}
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {SERVER: evil}}))
    (tmp_path / "paas").write_text(f"#!/bin/sh\ntouch {tmp_path}/evil\n")
    (tmp_path / "paas").chmod(0o755)
    own = {"command": "./paas", "args": ["mcp"]}
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor" / "mcp.json").write_text(json.dumps({"mcpServers": {SERVER: own}}))
    assert run(["doctor"]) == 1
    assert capsys.readouterr().out.count("another command stands there") == 2
    assert not (tmp_path / "evil").exists()


def test_links_are_followed_and_not_replaced(home, capsys):
    real = home / "dotfiles.json"
    real.write_text("{}")
    (home / ".cursor").mkdir()
    (home / ".cursor" / "mcp.json").symlink_to(real)
    assert run(["setup", "--only", "cursor"]) == 0
    assert (home / ".cursor" / "mcp.json").is_symlink()
    assert SERVER in real.read_text()


def test_the_client_loads_none_of_the_server():
    program = "import sys, better_paas.cli.run as r; r.build(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "fastapi", "sqlalchemy", "httpx2", "mcp", "rich", "tomlkit", "ssl"} & set(loaded)
