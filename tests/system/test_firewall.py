"""What apps and builds reach, tried with an engine, a machine and a cloud of the test's own.

outside (169.254.169.254, 10.77.0.2) ── machine (10.77.0.1, an engine and its containers)
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from better_paas.engine.client import Engine
from better_paas.kit.locks import Locks
from better_paas.runtime.addresses import hardware_address
from better_paas.runtime.docker import DockerRuntime
from better_paas.runtime.networks import Networks
from better_paas.runtime.protocol import MAIN, ReleaseSpec
from tests.system.servers import WORKER, docker, wait_until

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("dockerd") or not shutil.which("iptables"), reason="needs root and an engine"
)
IMAGE = "better-paas/python:3.11"
MACHINE, OUTSIDE, INSTANCE = f"bpm{WORKER}", f"bpo{WORKER}", "instance0001"
CONTROL, INGRESS, DATABASE = 8080, 8081, 5432
PROGRAM = """
import asyncio, ipaddress, sys
from pathlib import Path
from better_paas.engine.client import Engine
from better_paas.firewall.keeper import Firewall
from better_paas.firewall.rules import Opening, Reach
from better_paas.runtime.addresses import of_release
from better_paas.runtime.bridges import EngineBridges

async def main(host, home, act, *openings):
    found = tuple(Opening.parse(text) for text in openings if "=" not in text)
    # Of one release: `deployment=opening`.
    pairs = [text.split("=") for text in openings if "=" in text]
    reaches = [Reach(of_release(deployment, ["jobs"]), (Opening.parse(text),)) for deployment, text in pairs]
    async def reached():
        return reaches
    instance = (Path(home) / "instance_id").read_text()
    networks = EngineBridges(Engine(host))
    firewall = Firewall(networks, instance, Path(home), ipaddress.ip_network("10.201.0.0/16"), (8081, 8444), found, reaches=reached)
    await (firewall.keep() if act == "keep" else firewall.ensure())
    print(firewall.problem)

asyncio.run(main(*sys.argv[1:]))
"""
LISTEN = """
import http.server, sys, threading
for place in sys.argv[1:]:
    host, _, port = place.rpartition(":")
    server = http.server.ThreadingHTTPServer((host, int(port)), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
"""
ASK = """
import socket, sys
for place in sys.argv[1:]:
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
        print(place, "yes")
    except OSError as error:
        print(place, "no")
"""


def inside(namespace: str, *argv: str) -> list[str]:
    return ["nsenter", f"--net=/run/netns/{namespace}", *argv]


def on(namespace: str, *argv: str, stdin: str | None = None) -> str:
    done = subprocess.run(inside(namespace, *argv), input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "data"
        self.host = f"unix://{folder}/sock"
        self.started: list[subprocess.Popen] = []
        self.home.mkdir()
        (self.home / "instance_id").write_text(INSTANCE)

    def start(self, *argv: str) -> subprocess.Popen:
        made = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        self.started.append(made)
        return made

    def wire(self) -> None:
        for name in (MACHINE, OUTSIDE):
            subprocess.run(["ip", "netns", "add", name], check=True)
            on(name, "ip", "link", "set", "lo", "up")
        on(MACHINE, "ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", OUTSIDE)
        for name, address, other in ((MACHINE, "10.77.0.1/24", "10.77.0.2"), (OUTSIDE, "10.77.0.2/24", "10.77.0.1")):
            on(name, "ip", "addr", "add", address, "dev", "wire")
            on(name, "ip", "link", "set", "wire", "up")
            on(name, "ip", "route", "add", "default", "via", other)
        on(OUTSIDE, "ip", "addr", "add", "169.254.169.254/32", "dev", "lo")
        on(MACHINE, "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def listen(self, namespace: str, *places: str) -> None:
        served = self.start(*inside(namespace, sys.executable, "-c", LISTEN, *places))
        assert served.stdout is not None and served.stdout.readline() == "ready\n"

    def start_engine(self) -> subprocess.Popen:
        folder = self.folder
        engine = self.start(
            *inside(MACHINE, "dockerd", f"--data-root={folder}/root", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid",
                    f"--host={self.host}", "--live-restore")
        )  # fmt: skip
        wait_until(
            lambda: subprocess.run(["docker", "-H", self.host, "version"], capture_output=True).returncode == 0, 30
        )
        return engine

    def docker(self, *arguments: str, stdin: str | None = None) -> str:
        return docker("-H", self.host, *arguments, stdin=stdin).strip()

    def run(self, name: str, *options: str) -> None:
        self.docker("run", "-d", "--name", name, *options, IMAGE, "python3", "-c", LISTEN, "0.0.0.0:8000")

    def release(self, deployment: str, **options) -> str:
        """A release of an app, as the platform starts it; the name of its container."""

        async def start(engine: Engine) -> None:
            locks = Locks(self.home / "locks")
            networks = Networks(engine, INSTANCE, "10.201.0.0/16", locks)
            runtime = DockerRuntime(engine, INSTANCE, "auto", None, None, networks, locks)  # type: ignore[arg-type]
            await runtime.start(
                ReleaseSpec("app1", "shop", "project1", deployment, IMAGE, 0, 0, own_address=True, **options)
            )
            await runtime.settle(deployment)

        self.told(start)
        return f"shop-{deployment}"

    def container(self, **config) -> str:
        async def start(engine: Engine) -> str:
            made = await engine.create_container("one", {"Image": IMAGE, "Cmd": ["sleep", "1000"], **config})
            await engine.start_container(made)
            return made

        return self.told(start)

    def told(self, act: Callable[[Engine], Awaitable[Any]]) -> Any:
        """What comes of asking the engine as the platform does."""

        async def ask() -> Any:
            engine = Engine(self.host)
            try:
                return await act(engine)
            finally:
                await engine.close()

        return asyncio.run(ask())

    def firewall(self, act: str = "ensure", *openings: str, home: Path | None = None) -> str:
        argv = [sys.executable, "-c", PROGRAM, self.host, str(home or self.home), act, *openings]
        return on(MACHINE, *argv).strip()

    def asks(self, container: str, *places: str) -> set[str]:
        """Those of the places that can be reached from a container."""
        return _reached(self.docker("exec", container, "python3", "-c", ASK, *places))

    def address(self, container: str) -> str:
        return self.docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)

    def rules(self) -> str:
        return re.sub(r"\[\d+:\d+\]|^#.*\n", "", on(MACHINE, "iptables-save", "-t", "filter"), flags=re.MULTILINE)

    def close(self) -> None:
        for container in self.docker("ps", "-aq").split():
            self.docker("rm", "-f", container)
        for process in reversed(self.started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
        for name in (MACHINE, OUTSIDE):
            subprocess.run(["ip", "netns", "del", name], check=True)
        # An engine that keeps containers while it restarts leaves its folder mounted.
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{self.folder}/"):
                subprocess.run(["umount", line.split()[1]], check=True)


def _reached(told: str) -> set[str]:
    return {line.split()[0] for line in told.splitlines() if line.endswith(" yes")}


@pytest.fixture(scope="module")
def machine():
    with tempfile.TemporaryDirectory(prefix="bpfw", dir="/var/tmp") as folder:
        made = Machine(Path(folder))
        made.wire()
        made.start_engine()
        try:
            saved = subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE)
            subprocess.run(["docker", "-H", made.host, "load"], stdin=saved.stdout, check=True, capture_output=True)
            saved.stdout.close()
            saved.wait()
            made.docker(
                "network", "create", "--label", f"better-paas.instance={INSTANCE}", "--subnet", "10.201.0.0/26", "one"
            )
            made.docker(
                "network", "create", "--label", f"better-paas.instance={INSTANCE}", "--subnet", "10.201.0.64/26", "two"
            )
            made.docker("network", "create", "--subnet", "10.202.0.0/26", "theirs")
            made.run("app", "--network", "one", "-p", "127.0.0.1:20001:8000", "--network-alias", "app")
            made.run("beside", "--network", "one")
            made.run("other", "--network", "two", "-p", "127.0.0.1:20002:8000")
            made.run("build")
            made.run("stranger", "--network", "theirs", "-p", "9000:8000")
            made.listen(MACHINE, f"0.0.0.0:{CONTROL}", f"0.0.0.0:{INGRESS}", f"0.0.0.0:{DATABASE}", "0.0.0.0:53")
            made.listen(OUTSIDE, "169.254.169.254:80", "169.254.169.254:53", "10.77.0.2:80")
            yield made
        finally:
            made.close()


METADATA, NAMES, LAN = "169.254.169.254:80", "169.254.169.254:53", "10.77.0.2:80"
MACHINE_PORTS = {f"{address}:{port}" for address in ("10.77.0.1", "10.201.0.1") for port in (CONTROL, DATABASE)}
WANTED = {NAMES, LAN, f"10.77.0.1:{INGRESS}", "10.77.0.1:53", f"10.201.0.1:{INGRESS}"}


def test_apps_and_builds_reach_what_they_need_and_no_more(machine):
    everything = {METADATA, *MACHINE_PORTS, *WANTED, "10.77.0.1:9000"}
    other = f"{machine.address('other')}:8000"
    before = machine.asks("app", *everything, other)
    assert before >= {METADATA, *MACHINE_PORTS, *WANTED}
    assert machine.asks("build", METADATA, f"172.17.0.1:{CONTROL}") == {METADATA, f"172.17.0.1:{CONTROL}"}
    assert machine.firewall() == ""
    for container in ("app", "build"):
        assert machine.asks(container, *everything, other, f"172.17.0.1:{CONTROL}") == WANTED
    # What serves them goes on: containers of one project, and what is published for the ingress.
    assert machine.asks("app", "beside:8000", "app:8000") == {"beside:8000", "app:8000"}
    published = {"127.0.0.1:20001", "127.0.0.1:20002", f"{machine.address('app')}:8000", "10.77.0.1:9000"}
    assert _reached(on(MACHINE, "python3", "-c", ASK, *published)) == published
    assert _reached(on(OUTSIDE, "python3", "-c", ASK, "10.77.0.1:9000", f"10.77.0.1:{CONTROL}")) == {"10.77.0.1:9000", f"10.77.0.1:{CONTROL}"}  # fmt: skip
    # Whoever is not ours is left alone.
    assert machine.asks("stranger", METADATA, *MACHINE_PORTS) >= {METADATA, f"10.77.0.1:{CONTROL}"}


def test_a_step_of_a_build_reaches_no_metadata(machine):
    machine.firewall()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "ask.py").write_text(ASK)
        Path(folder, "Dockerfile").write_text(
            f"FROM {IMAGE}\nCOPY ask.py /tmp/ask.py\nRUN python3 /tmp/ask.py {METADATA} {LAN} 172.17.0.1:{CONTROL} > /tmp/asked\n"
        )
        machine.docker("build", "-q", "-t", "asked", folder)
    assert _reached(machine.docker("run", "--rm", "asked", "cat", "/tmp/asked")) == {LAN}


def test_what_is_opened_is_reached(machine):
    machine.firewall("ensure", f"10.77.0.1:{DATABASE}", "169.254.169.254")
    found = machine.asks("app", METADATA, f"10.77.0.1:{DATABASE}", f"10.77.0.1:{CONTROL}")
    assert found == {METADATA, f"10.77.0.1:{DATABASE}"}
    machine.firewall()
    assert machine.asks("app", METADATA, f"10.77.0.1:{DATABASE}") == set()


def test_what_is_opened_for_one_app_no_other_reaches(machine):
    """Its first packet on, after a restart too, from all its processes; from those of its project not."""
    mine, open_to_all = f"10.77.0.1:{DATABASE}", f"10.77.0.1:{INGRESS}"
    places = (METADATA, mine, f"10.77.0.1:{CONTROL}", "10.77.0.1:9000", open_to_all)
    asks_first = f"python3 -c '{ASK}' {mine} {METADATA} > /tmp/first; exec sleep 1000"
    assert machine.firewall("ensure", f"first={mine}", "published=10.77.0.1:9000") == ""
    first = machine.release("first", start_command=asks_first, processes={"jobs": "exec sleep 1000"})
    second = machine.release("second", start_command=asks_first)
    published = machine.release("published", start_command="exec sleep 1000")

    def seen_first(container):
        wait_until(lambda: METADATA in machine.docker("exec", container, "cat", "/tmp/first"), 15)
        return _reached(machine.docker("exec", container, "cat", "/tmp/first"))

    try:
        assert (seen_first(first), seen_first(second)) == ({mine}, set())
        assert machine.asks(f"{first}-jobs", *places) == {mine, open_to_all}
        assert machine.asks(second, *places) == {open_to_all}
        assert machine.asks(published, *places) == {"10.77.0.1:9000", open_to_all}
        # Started anew the other way round, each gets the address that was the other's.
        before = machine.address(first), machine.address(second)
        for container in (first, second):
            machine.docker("exec", container, "truncate", "-s0", "/tmp/first")
        machine.docker("stop", "-t", "0", first, second)
        machine.docker("start", second)
        machine.docker("start", first)
        assert (machine.address(second), machine.address(first)) == before
        assert (seen_first(first), seen_first(second)) == ({mine}, set())
        assert machine.asks(first, *places) == {mine, open_to_all}
        assert machine.asks(second, *places) == {open_to_all}
        # Whoever builds may send under any hardware address; on the network of builds none counts.
        forger = machine.container(MacAddress=hardware_address("first", MAIN))
        assert machine.asks(forger, mine) == set()
        machine.docker("rm", "-f", forger)
        machine.firewall()
        assert machine.asks(first, *places) == {open_to_all}
    finally:
        for container in machine.docker("ps", "-aq", "--filter", "label=better-paas.app=app1").split():
            machine.docker("rm", "-f", container)
        machine.docker("network", "rm", "better-paas-project1")


def test_rules_are_there_once_first_and_put_back(machine):
    machine.firewall()
    first = machine.rules()
    machine.firewall()
    assert machine.rules() == first
    assert first.count(f"-j BETTER-PAAS-I-{INSTANCE}") == first.count(f"-j BETTER-PAAS-F-{INSTANCE}") == 1
    on(MACHINE, "iptables", "-I", "INPUT", "1", "-p", "tcp", "-j", "ACCEPT")
    machine.firewall()
    assert machine.asks("app", f"10.77.0.1:{CONTROL}") == set()
    on(MACHINE, "iptables", "-D", "INPUT", "-p", "tcp", "-j", "ACCEPT")
    for broken in (
        ["-F", f"BETTER-PAAS-F-{INSTANCE}"],
        ["-F", "DOCKER-USER"],
        ["-D", f"BETTER-PAAS-I-{INSTANCE}", "3"],
    ):
        on(MACHINE, "iptables", *broken)
        machine.firewall()
        assert machine.asks("app", METADATA, f"10.77.0.1:{CONTROL}", LAN) == {LAN}


def test_installations_side_by_side_leave_each_other_alone_and_what_is_left_of_one_goes(machine):
    second = machine.folder / "second"
    second.mkdir()
    (second / "instance_id").write_text("instance0002")
    machine.docker(
        "network", "create", "--label", "better-paas.instance=instance0002", "--subnet", "10.201.1.0/26", "three"
    )
    try:
        machine.firewall("ensure", f"10.77.0.1:{DATABASE}")
        machine.firewall(home=second)
        assert machine.asks("app", f"10.77.0.1:{DATABASE}", METADATA) == {f"10.77.0.1:{DATABASE}"}
        machine.firewall()
        assert "instance0002" in machine.rules()
        shutil.rmtree(second)
        machine.firewall()
        assert "instance0002" not in machine.rules()
        assert machine.asks("app", f"10.77.0.1:{DATABASE}", METADATA, LAN) == {LAN}
    finally:
        machine.docker("network", "rm", "three")


def test_an_engine_that_starts_anew_and_networks_that_come(machine):
    keeper = machine.start(*inside(MACHINE, sys.executable, "-c", PROGRAM, machine.host, str(machine.home), "keep"))
    wait_until(lambda: machine.asks("app", METADATA) == set(), 20)
    machine.docker("network", "create", "--subnet", "10.201.2.0/26", "not-ours")
    wait_until(lambda: "-s 10.201.2.0/26 -j RETURN" in machine.rules(), 10)
    machine.docker("network", "rm", "not-ours")
    wait_until(lambda: "10.201.2.0/26" not in machine.rules(), 10)
    engine = machine.started[0]
    engine.send_signal(signal.SIGTERM)
    engine.wait(30)
    on(MACHINE, "iptables", "-F", f"BETTER-PAAS-F-{INSTANCE}")
    machine.start_engine()
    wait_until(lambda: machine.asks("app", METADATA, LAN) == {LAN}, 20)
    keeper.kill()
