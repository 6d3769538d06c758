"""Builds of several projects on one engine: none sees, takes or stops what is another's."""

import contextlib
import io
import secrets
import tarfile
from pathlib import Path

import pytest

from better_paas.builders import own
from better_paas.builders.bases import TrustSource
from better_paas.builders.dockerfile import with_build_ca
from better_paas.engine.build import build
from better_paas.engine.client import Engine
from better_paas.engine.limits import MOST_PROCESSES
from better_paas.kit.locks import Locks
from tests.system.servers import docker

pytestmark = pytest.mark.engine
BASE = "FROM better-paas/python:3.11\n"
SERVES = 'EXPOSE 9000\nCMD ["python3", "-m", "http.server", "9000"]\n'
CACHES = (
    "target=/cache",
    "target=/c2,id=shared",
    "target=/c3,id=better-paas-python",
    "target=/c4,id=../better-paas-python",
    "target=/c5,id=/c5",
    "target=/c6,id=$OF,sharing=locked",
)


def with_caches(command: str, mark: str) -> str:
    """A Dockerfile that runs `command` in the folder of each kind of cache."""
    lines = [
        f"RUN --mount=type=cache,{cache} cd {cache[7:].partition(',')[0]} && {command} # {mark}" for cache in CACHES
    ]
    return BASE + "ARG OF=of-all\nARG BUILDKIT_CACHE_MOUNT_NS=x\n" + "\n".join(lines) + "\n" + SERVES


def test_a_cache_is_its_project_s_alone(paas, git):
    mark = secrets.token_hex(8)
    first = paas.post("/api/projects/create", name=f"first-{mark}")["id"]
    second = paas.post("/api/projects/create", name=f"second-{mark}")["id"]
    plants = git.repository("plants.git", {"Dockerfile": with_caches(f"echo {mark} > planted", mark)})
    looks = git.repository("looks.git", {"Dockerfile": with_caches("test ! -e planted", mark)})
    finds = git.repository("finds.git", {"Dockerfile": with_caches(f"grep {mark} planted", mark)})
    for name, project, repository in (("plants", first, plants), ("looks", second, looks), ("finds", first, finds)):
        app = paas.live(f"{name}-{mark}", repository.url, projectId=project)
        paas.post("/api/apps/delete", id=app["id"])


def test_no_build_takes_another_app_s_image(paas, git):
    mark = secrets.token_hex(8)
    victim = paas.live(f"victim-{mark}", git.repository("victim.git", {"Dockerfile": BASE + SERVES}).url)
    reference = f"better-paas/app-{victim['id']}:{victim['activeDeployId']}"
    alias, trigger = f"better-paas-test-{mark}:1", f"better-paas-test-{mark}:trigger"
    number = docker("images", "--quiet", reference)
    docker("tag", reference, alias)
    docker("build", "--quiet", "--tag", trigger, "-", stdin=f"{BASE}ONBUILD COPY --from={alias} / /taken\n")
    try:
        repository = git.repository("thief.git", {"index.html": "x"})
        for lines in (
            f"FROM {reference}",
            f"FROM docker.io/{reference}",
            f"ARG OF={reference.partition(':')[0]}\nFROM ${{OF}}:{victim['activeDeployId']}",
            f"FROM {alias}",
            f"FROM {number}",
            f"{BASE}COPY --from={alias} / /taken",
            f"{BASE}COPY --from={reference} / /taken",
            f"{BASE}RUN --mount=type=bind,from={alias},target=/taken ls /taken",
            f"FROM {trigger}",
            f"{BASE}ADD http://127.0.0.1:{paas.api_port}/api/health /taken",
            f"{BASE}RUN --network=host ls",
            f"# syntax={alias}\n{BASE}RUN ls",
        ):
            repository.commit({"Dockerfile": lines}, lines[:40])
            app = paas.deploy(f"thief-{mark}", repository.url)
            ended = paas.ended(app["deploymentId"])
            assert ended["status"] == "failed", lines
            assert "RUN" not in ended["error"] or "--network" in lines
            assert ended["hint"], ended
            paas.post("/api/apps/delete", id=app["id"])
    finally:
        docker("rmi", alias, trigger)
        paas.post("/api/apps/delete", id=victim["id"])


# Each writes what there is to compare to /result. The engine of these tests may know no heredocs.
TRICKY = (
    "RUN echo a \\\n  # comment\n\n  b > /result",
    "RUN ech\\\no a 'b  c' \"d\" > /result",
    "# escape=`\n{base}RUN echo a\\\\b `\n c > /result",
    "# not=one\n# escape=`\n{base}RUN echo a` > /result || true; echo b` > /result",
    "run ['a'] || echo list > /result",
    'RUN ["sh", "-c", "echo \'$HOME\' > /result"]',
    "RUN --mount=type=cache,target=/c \\\n   --mount=type=tmpfs,target=/t df /t | wc -l > /result",
    "RUN --mount='type=cache,\"target=/c d\"' ls -d '/c d' > /result",
    "RUN -- echo a > /result || echo b > /result",
    "RUN echo 'a <<EOF' $((1<<2)) > /result",
    "RUN bash -c 'cat <<< b' > /result",
    "ENV A=b \\\n  C='d e' \\\n# f\n  G=\"$A h\"\nRUN echo $A $C $G > /result",
    "ENV A b c\nRUN echo $A > /result",
    "ARG A=b\nARG C=$A-d\nRUN echo $C > /result",
    "COPY --chown=1:2 --from=0 /etc/hostname /etc/issue /x/\nRUN ls -ln /x | wc -l > /result",
    'COPY ["a file", "/x/a file"]\nRUN cat "/x/a file" > /result',
    "ADD a.tar ${X:-/y}/\nRUN cat /y/packed > /result",
    'ADD ["a.tar", "a file", "/y/"]\nRUN cat /y/packed "/y/a file" > /result',
    "ADD a* /y/\nRUN ls /y > /result",
    "WORKDIR /a\nWORKDIR b\nRUN pwd > /result",
    "SHELL [\"/bin/bash\", \"-c\"]\nRUN [[ a == a ]] && echo yes > /result",
    "USER 5\nRUN id -u > /tmp/x\nUSER 0\nRUN cat /tmp/x > /result",
    "RUN echo a\u2028b > /result",
    "RUN echo 'ä ö' > /result  \r\n\r\nRUN echo more >> /result\r",
    "LABEL a=b \"c d\"='e f'\nRUN echo x > /result\nONBUILD RUN echo y \\\n  z",
    "ONBUILD COPY --from=x a b\nRUN echo x > /result\nCMD echo <<EOF",
)  # fmt: skip


def context(folder: Path, dockerfile: str) -> Path:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as inner:
        _put(inner, "packed", b"from the archive\n")
    archive = folder / "context.tar"
    with tarfile.open(archive, "w") as outer:
        for name, content in {
            "Dockerfile": dockerfile.encode(),
            "a file": b"a file\n",
            "a.tar": packed.getvalue(),
        }.items():
            _put(outer, name, content)
    return archive


def _put(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


async def test_what_is_written_back_builds_the_same(tmp_path):
    """Of the builder itself: the text as it came, and the text that is built."""
    engine, mark = Engine(), secrets.token_hex(4)
    (tmp_path / "ca.crt").write_text(f"bundle {mark}")
    trust = await TrustSource(engine, tmp_path / "ca.crt", Locks(tmp_path / "locks")).image()
    base = BASE.replace("\n", " AS first\n") + BASE
    tags = []
    try:
        for number, tricky in enumerate(TRICKY):
            text = tricky.replace("{base}", base) if "{base}" in tricky else base + tricky
            made = []
            for kind, each in (("came", text), ("made", with_build_ca(own.read(text).text, trust))):
                tag = f"better-paas-test-{mark}:{number}-{kind}"
                arguments = {
                    "way": "api",
                    "owner": mark,
                    "arguments": {},
                    "no_cache": False,
                    "timeout": 120.0,
                    "say": lambda _: None,
                }
                await build(engine, context(tmp_path, each), "Dockerfile", tag, {}, **arguments)
                tags.append(tag)
                config = (await engine.image(tag))["Config"]
                kept = {name: config.get(name) for name in ("Env", "Cmd", "User", "WorkingDir", "Labels", "OnBuild")}
                made.append((docker("run", "--rm", "--network=none", "--entrypoint=cat", tag, "/result"), kept))
            assert made[0] == made[1], text
    finally:
        with contextlib.suppress(Exception):
            docker("rmi", *tags, trust)
        await engine.close()


def _group() -> Path:
    root = Path("/sys/fs/cgroup")
    return (root if (root / "cgroup.controllers").exists() else root / "pids") / "docker/buildkit"


# The limit is one for all builds of the engine.
@pytest.mark.alone
def test_a_build_that_forks_without_end_ends_and_the_rest_lives(paas, git):
    before = (_group() / "pids.max").read_text() if (_group() / "pids.max").exists() else "max"
    mark = secrets.token_hex(8)
    other = paas.live(f"other-{mark}")
    forks = f"RUN i=0; while [ $i -lt {MOST_PROCESSES + 500} ]; do sleep 60 & i=$((i+1)); done; echo {mark}\n"
    try:
        app = paas.deploy(f"forks-{mark}", git.repository("forks.git", {"Dockerfile": BASE + forks + SERVES}).url)
        ended = paas.ended(app["deploymentId"])
        assert ended["status"] == "failed", ended
        assert "fork" in paas.deployment_log(app["deploymentId"]).lower()
        assert paas.get("/api/health")["status"] == "healthy"
        assert paas.visit(other).status_code == 200
        assert int((_group() / "pids.current").read_text()) < MOST_PROCESSES / 2
    finally:
        (_group() / "pids.max").write_text(before)
        for each in (app, other):
            paas.post("/api/apps/delete", id=each["id"])
