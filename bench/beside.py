"""How long visitors of an app wait while another app is built, beside no build and beside builds of usual weight.

Run as root on a machine with Docker: .venv/bin/python -m bench.beside
Three minutes; load generator, ingress, app, build and control plane share the machine.
"""

import asyncio
import re
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.servers import GitServer, PaasServer, app_ports, wait_until

from bench.load import Result, steady
from bench.table import row

RATE, SECONDS, ROUNDS = 100, 10, 4
MOST_RATIO = 2
# As builds do: processes that never wait, files that are written, more of them than there are cores.
BUSY = {
    "Dockerfile": "FROM better-paas/python:3.11\nCOPY busy.py .\nRUN python3 busy.py\nCMD python3 -m http.server 8000\n",
    "busy.py": """
import hashlib, multiprocessing, os, time

def work(number):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        data = hashlib.sha256(os.urandom(1 << 20)).digest() * 32768
        open(f"/tmp/{number}", "wb").write(data)

if __name__ == "__main__":
    processes = [multiprocessing.Process(target=work, args=(number,)) for number in range(4)]
    [process.start() for process in processes]
    [process.join() for process in processes]
    print("MARK")
""",
}
WEIGHTS = (("cpu.weight", "100"), ("cpu.shares", "1024"))


def group() -> Path:
    """Of all builds, where its weight is said."""
    unified = Path("/sys/fs/cgroup/docker/buildkit")
    return unified if unified.exists() else Path("/sys/fs/cgroup/cpu/docker/buildkit")


@contextmanager
def usual_weight() -> Iterator[None]:
    """Builds weigh as much as an app, as they did before."""
    file, usual = next((file, usual) for name, usual in WEIGHTS if (file := group() / name).exists())
    ours = file.read_text()
    file.write_text(usual)
    try:
        yield
    finally:
        file.write_text(ours)


class Bench:
    def __init__(self, paas: PaasServer, git: GitServer) -> None:
        self.paas, self.git = paas, git
        self.app = paas.live("visited")
        self.number = 0

    def visits(self) -> Result:
        return asyncio.run(steady("127.0.0.1", self.paas.http_port, self.app["defaultHost"], RATE, SECONDS))

    def beside_a_build(self) -> Result:
        """The build's busy step lasts longer than the visits."""
        self.number += 1
        marks = {"SECONDS": str(SECONDS + 6), "MARK": str(self.number)}
        files = {name: re.sub("|".join(marks), lambda found: marks[found[0]], text) for name, text in BUSY.items()}
        repository = self.git.repository(f"busy{self.number}.git", files)
        built = self.paas.deploy(f"busy{self.number}", repository.url)
        wait_until(lambda: "RUN python3 busy.py" in self.paas.deployment_log(built["deploymentId"]), 60)
        found = self.visits()
        status = self.paas.status(built["deploymentId"])
        assert status == "building", f"the build had ended: {status}\n{self.paas.deployment_log(built['deploymentId'])}"
        self.paas.ended(built["deploymentId"])
        self.paas.purge(built)
        return found

    def run(self) -> None:
        calm: list[float] = []
        ours: list[float] = []
        usual: list[float] = []
        for _ in range(ROUNDS):  # in turns, so that what else the machine does meets all
            calm.append(self.visits().p99)
            ours.append(self.beside_a_build().p99)
            with usual_weight():
                usual.append(self.beside_a_build().p99)
        still, beside, before = statistics.median(calm), statistics.median(ours), statistics.median(usual)
        what = f"p99 of visits at {RATE} a second, median of {ROUNDS} rounds"
        row(f"{what}: beside a build, beside none", f"{beside:.1f} ms", f"{still:.1f} ms", f"{beside / still:.2f}")
        row(
            f"{what}: beside a build that weighs as an app",
            f"{before:.1f} ms",
            f"{still:.1f} ms",
            f"{before / still:.2f}",
        )
        if beside > MOST_RATIO * still:
            raise SystemExit(f"visitors wait more than {MOST_RATIO} times as long")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        git = GitServer(Path(folder))
        paas = PaasServer(Path(folder) / "data", APP_PORTS=app_ports(27000, 100), DRAIN_SECONDS="2")
        paas.start()
        try:
            Bench(paas, git).run()
        finally:
            paas.close()
            git.close()


if __name__ == "__main__":
    main()
