"""What `./run` and `./install.sh` decide before they change anything."""

import importlib.util
import json
import socket
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

PACKAGING = Path(__file__).parents[2] / "packaging"


def load(name: str, monkeypatch):
    """A module of the folder packaging, without its last line, which runs it."""
    monkeypatch.syspath_prepend(str(PACKAGING))
    spec = importlib.util.spec_from_loader(name, loader=None)
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(PACKAGING / f"{name}.py")
    source = Path(module.__file__).read_text().removesuffix("main()\n")
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    return module


@pytest.fixture
def install(monkeypatch, tmp_path):
    found = load("install", monkeypatch)
    found.DATA = tmp_path
    return found


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("BETTER_PAAS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("RUNTIME", raising=False)
    found = load("run", monkeypatch)
    monkeypatch.setattr(found.machine, "prepare_processes", lambda: None)
    return found


def no_engine(run, monkeypatch):
    def fail():
        raise run.SetupFailed("no engine can be reached")

    monkeypatch.setattr(run.machine, "prepare_engine", fail)


def test_a_port_that_is_taken_is_said_before_anything_is_installed(install, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        port, other = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        settings = f"LISTEN_ADDR=127.0.0.1:{other}\nHTTP_PORT={port}\nHTTPS_PORT={other}\nINGRESS_ADDRESS=127.0.0.1\n"
        (tmp_path / "settings.env").write_text(settings)
        with pytest.raises(install.SetupFailed, match=f"  {port} \\(HTTP_PORT={port}\\)") as said:
            install.check_ports()
        assert str(other) not in str(said.value)
        assert "Nothing was installed" in str(said.value)
        # The ingress that `./run` left is ours.
        (tmp_path / "caddy").mkdir()
        (tmp_path / "caddy" / "caddy.pid").write_text("1")
        install.check_ports()


def test_a_version_that_loses_the_ingress_or_the_engine_is_no_good(install):
    well = {"ingress": "ok", "engine": "20.10.24"}
    assert install.lost(well, {"ingress": "it does not serve", "engine": None}) == ["ingress", "engine"]
    assert install.lost(well, well) == []
    # What was not well before is not the update's fault.
    assert install.lost({"ingress": "it does not serve", "engine": None}, {"ingress": "no", "engine": None}) == []
    assert install.lost(None, {"ingress": "no", "engine": None}) == []


def test_an_engine_that_is_installed_limits_builds_and_one_that_is_there_is_left_alone(run, tmp_path):
    settings = tmp_path / "etc" / "docker" / "daemon.json"
    run.machine.make_engine_limit_builds(settings)
    assert json.loads(settings.read_text()) == {"exec-opts": ["native.cgroupdriver=cgroupfs"]}
    settings.write_text("{}")
    run.machine.make_engine_limit_builds(settings)
    assert settings.read_text() == "{}"


def test_without_an_engine_apps_are_processes(run, monkeypatch, tmp_path, capsys):
    no_engine(run, monkeypatch)
    assert run.prepare_runtime(tmp_path) == "process"
    assert "kept apart less than containers" in capsys.readouterr().out
    monkeypatch.setattr(run.machine, "port_is_free", lambda *_: True)
    assert run.write_settings(tmp_path, "process")["RUNTIME"] == "process"
    # Once chosen it stays, also when an engine comes later.
    monkeypatch.setattr(run.machine, "prepare_engine", lambda: None)
    assert run.prepare_runtime(tmp_path) == "process"


@pytest.mark.parametrize("reason", ["a state with containers", "the setting"])
def test_an_installation_with_containers_never_becomes_one_without(run, monkeypatch, tmp_path, reason):
    no_engine(run, monkeypatch)
    if reason == "the setting":
        monkeypatch.setenv("RUNTIME", "docker")
    else:
        (tmp_path / "better-paas.db").touch()
    with pytest.raises(run.SetupFailed, match="no engine"):
        run.prepare_runtime(tmp_path)


def test_ports_that_are_taken_are_replaced_and_kept(run, monkeypatch, tmp_path):
    monkeypatch.setattr(run.machine, "port_is_free", lambda port, *_: port not in (8080, 80, 443))
    made = run.write_settings(tmp_path, "docker")
    assert (made["LISTEN_ADDR"], made["HTTP_PORT"], made["HTTPS_PORT"]) == (":8090", "8081", "8444")
    monkeypatch.setattr(run.machine, "port_is_free", lambda *_: True)
    assert run.write_settings(tmp_path, "docker")["HTTP_PORT"] == "8081"


def test_a_port_at_an_address_of_any_kind_is_looked_at(install, tmp_path):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert not install.machine.port_is_free(port, "[::1]")
    assert install.machine.port_is_free(port, "[::1]")
    assert install.machine.port_is_free(port, "[::]")


def test_settings_in_quotes_are_read_as_the_server_reads_them(run, tmp_path):
    (tmp_path / "settings.env").write_text("# a note = nothing\nHTTP_PORT=\"8081\"\nLISTEN_ADDR = ':8090'\n")
    found = run.machine.stored_settings(tmp_path)
    assert found == dotenv_values(tmp_path / "settings.env") == {"HTTP_PORT": "8081", "LISTEN_ADDR": ":8090"}
