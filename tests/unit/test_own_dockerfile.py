"""What an own Dockerfile builds on, and what it may not ask for."""

import re

import pytest

from better_paas.builders import own
from better_paas.builders.bases import APP_LABEL, Bases, NoBase
from better_paas.builders.dockerfile import generate
from better_paas.builders.instructions import BadDockerfile
from better_paas.builders.plan import BuildPlan
from better_paas.deployments.planning import Planner
from better_paas.engine.client import Engine, EngineFailed
from better_paas.errors import StepFailed
from better_paas.runtime.docker import DockerRuntime
from better_paas.runtime.protocol import Recipe, RuntimeFailed
from better_paas.untrusted.reader import SourceReader
from tests.fakes import InProcess

VICTIM = "better-paas/app-victim:1"


def images(text: str) -> list[str]:
    return [image.reference for image in own.read(text).images]


def test_bases_are_found_without_own_stages():
    text = "ARG X=1\nFROM --platform=linux/amd64 node:22 AS build\nFROM build AS second\nFROM scratch\nFROM $X\nFROM node:22\n"
    assert images(text) == ["node:22", "1"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("COPY --from=nginx:1 /a /a", ["nginx:1"]),
        ("COPY --from=BUILD /a /a\nCOPY --from=0 /a /a", []),
        ("COPY --from=1 /a /a", ["1"]),
        ("COPY --from=later /a /a\nFROM a AS later", ["later", "a"]),
        ("RUN --mount=from=nginx:1,target=/x a", ["nginx:1"]),
        ("RUN --mount=type=cache,FROM=nginx:1,target=/x a", ["nginx:1"]),
        ("RUN --mount='type=bind,\"from=nginx:1\",target=/x' a", ["nginx:1"]),
        ("RUN --mount=type=bind,from=build,from=nginx:1,target=/x a", ["nginx:1"]),
        ("RUN --mount=type=cache,target=/x --mount=type=secret,id=s --mount=type=ssh a", []),
        ("ONBUILD COPY --from=nginx:1 /a /a", ["nginx:1"]),
        ("RUN <<EOF\nCOPY --from=nginx:1 /a /a\nEOF", []),
        ("COPY --from=localhost:5000/a/b@sha256:" + "0" * 64 + " /a /a", ["localhost:5000/a/b@sha256:" + "0" * 64]),
    ],
)
def test_images_that_are_copied_and_mounted_from(text, found):
    assert images(f"FROM base AS build\n{text}") == ["base", *found]


@pytest.mark.parametrize(
    ("arguments", "name", "image"),
    [
        ("A=node", "$A:22", "node:22"),
        ("A=node", '"${A}":22', "node:22"),
        ("A=node B=$A:22", "$B", "node:22"),
        ("A='node'", "$A", "node"),
        ('A="no"de', "$A", "node"),
        ("A", "${A:-node}", "node"),
        ("A", "${A-node}", "node"),
        ("A=", "x${A-node}", "x"),
        ("A=", "x${A:-node}", "xnode"),
        ("A=1", "${A:+node}", "node"),
        ("A", "x${A:+node}", "x"),
        ("A=1", "${A:?needed}", "1"),
        ("A=v1.2.3", "node:${A#v}", "node:1.2.3"),
        ("A=1.2.3", "node:${A%.*}", "node:1.2"),
        ("A=1.2.3", "node:${A%%.*}", "node:1"),
        ("A=a/b/c", "${A##*/}", "c"),
        ("A=a/b/c", "${A#*/}", "b/c"),
        ("A=abcabc", "${A%b?}", "abca"),
        ("A=abcabc", "x${A##*b*}", "x"),
        ("A=x", "${B:-${A}y}", "xy"),
        ("A=x", "${A:+$A-$A}", "x-x"),
        ("A=x\nARG A", "$A", "x"),
        ("", "b-$TARGETOS-${BUILDARCH}", "b-linux-amd64"),
    ],
)
def test_variables_of_from_get_their_values(arguments, name, image, monkeypatch):
    monkeypatch.setitem(own._PLATFORM, "BUILDARCH", "amd64")
    text = f"ARG {arguments}\nFROM {name} AS x\n"
    assert images(text) == [image]
    assert f"FROM {image} AS x\n" in own.read(text).text


def test_a_backtick_escapes_where_it_is_said():
    assert images("# escape=`\nARG A=n`ode\nFROM `$A\\\n".replace("`$A\\", "$A")) == ["node"]


@pytest.mark.parametrize(
    "text",
    [
        f"FROM {VICTIM}",
        f"FROM docker.io/{VICTIM}",
        f"FROM index.docker.io/{VICTIM}@sha256:{'0' * 64}",
        "FROM Better-PaaS/app-victim",
        f"ARG A=better-paas\nFROM $A/{VICTIM.partition('/')[2]}",
        "ARG A=1\nFROM better-paas/${A:+app-}victim",
        f"FROM a\nCOPY --from={VICTIM} /app /app",
        f"FROM a\ncopy \\\n  --from='{VICTIM}' /app /app",
        f"FROM a\nRUN --mount=type=bind,from={VICTIM},target=/x cp -r /x /y",
        f"FROM a\nRUN --mount=target=/x,from=docker.io/{VICTIM} a",
        f"FROM a\nONBUILD COPY --from={VICTIM} /app /app",
        f"FROM a\nONBUILD RUN --mount=from={VICTIM},target=/x a",
    ],
)
def test_images_of_apps_are_refused_by_their_name(text):
    with pytest.raises(BadDockerfile, match="images of apps can't be built on|is no name of an image"):
        own.read(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM a\nRUN --network=host a", "line 2 .*--network=. is not allowed"),
        ("FROM a\nRUN --security=insecure a", "--security=. is not allowed"),
        ("FROM a\nRUN --device=nvidia.com/gpu=all a", "--device=. is not allowed"),
        ("FROM a\nONBUILD RUN --network=host a", "--network=. is not allowed"),
        ("FROM a\nCOPY --from=$A b c", "from= has no variables"),
        ("FROM a\nRUN --mount=from=b$A,target=/x c", "from= has no variables"),
        ("FROM a\nRUN --mount='type=bind,\"from=b\"c' c", "options of --mount can't be read"),
        ("FROM $A", "is no name of an image"),
        ("FROM a b", "FROM is not"),
        ("FROM a AS A/b", "a stage has a name"),
        ("FROM ../../containers/json", "is no name of an image"),
        ("FROM a?x=y", "is no name of an image"),
        ("ARG A=x\nFROM ${A/x/y}", "a form that is not known here"),
        ("ARG A=x\nFROM ${A", "a '}' is missing|a form that is not known"),
        ("FROM ${A:?missing}", "a variable has no value"),
        ("FROM a\nADD https://x/y /y", "ADD takes no addresses"),
        ("FROM a\nADD git@x:y.git /y", "ADD takes no addresses"),
        ('FROM a\nADD ["http://169.254.169.254/x", "/y"]', "ADD takes no addresses"),
        ("FROM a\n" + "\n".join(f"COPY --from=b{number} a b" for number in range(60)), "more than 50 images"),
    ],
)
def test_what_a_build_may_not_have_is_refused(text, words):
    with pytest.raises(BadDockerfile, match=words) as refused:
        own.read(text)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("ADD --chown=1 a.tgz  b /x/", "ADD --chown=1 ./a.tgz  ./b /x/"),
        ("ADD ${SCHEME}//169.254.169.254/x /y", "ADD ./${SCHEME}//169.254.169.254/x /y"),
        ("ADD h\\ttp:\\/\\/x /y", "ADD ./h\\ttp:\\/\\/x /y"),
        ('ADD ["a b", "$C", "/x/"]', 'ADD ["./a b", "./$C", "/x/"]'),
        ("ADD ./a /x", "ADD ./a /x"),
        ("ADD 3<<EOF /x\na\nEOF", "ADD 3<<EOF /x\na\nEOF"),
        ("ONBUILD ADD $A /x", "ONBUILD ADD ./$A /x"),
    ],
)
def test_sources_of_add_can_not_become_addresses(line, made):
    assert own.read(f"FROM a\n{line}").text == f"FROM a\n{made}\n"


def test_triggers_of_a_base():
    named = own.read_trigger("COPY --from=nginx:1 --from=build /a /a", frozenset({"build"}))
    assert [image.reference for image in named] == ["nginx:1"]
    for trigger in (f"COPY --from={VICTIM} /a /a", "RUN --network=host x", "ADD http://x/ /y", "ADD ${A}x /y"):
        with pytest.raises(BadDockerfile):
            own.read_trigger(trigger, frozenset())


class StubEngine(Engine):
    """An engine with these images, by what it is asked for."""

    def __init__(self, found: dict[str, dict], version: str = "26.0.0") -> None:
        super().__init__()
        self.found, self.pulled, self._version = found, [], version

    async def image(self, reference):
        return self.found.get(reference)

    async def pull(self, reference, timeout):
        self.pulled.append(reference)

    async def version(self):
        return self._version


def image(*tags: str, labels: dict | None = None, triggers: list[str] | None = None, digests: tuple = ()) -> dict:
    config = {"Labels": labels, "OnBuild": triggers}
    return {"Id": "sha256:1", "RepoTags": list(tags), "RepoDigests": list(digests), "Config": config}


OF_AN_APP = image("better-paas/app-victim:1", "other:1", labels={APP_LABEL: "victim"})
DIGEST = f"sha256:{'1' * 64}"


def bases(**found: dict) -> Bases:
    return Bases(StubEngine(found), {}, lambda: None, None)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("other:1", {"other:1": OF_AN_APP}),
        (f"debian@{DIGEST}", {f"debian@{DIGEST}": image(digests=(f"debian@{DIGEST}",)), DIGEST: OF_AN_APP}),
        ("4f2c1a9b0011", {"4f2c1a9b0011": image("debian:bookworm")}),
        (DIGEST, {DIGEST: image("debian:bookworm")}),
        ("4f2c1a9b0011", {"4f2c1a9b0011": image()}),
    ],
)
async def test_images_of_apps_are_refused_under_every_other_name_too(reference, found):
    with pytest.raises(NoBase, match="the image of an app|by their ids"):
        await bases(**found).pull(reference, print)


@pytest.mark.parametrize(
    ("reference", "tag"),
    [
        ("debian", "debian:latest"),
        ("docker.io/library/debian:12", "debian:12"),
        ("docker.io/a/b", "a/b:latest"),
        ("debian:12", "docker.io/library/debian:12"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        ("localhost/a:1", "localhost/a:1"),
    ],
)
async def test_an_image_is_known_by_each_form_of_its_name(reference, tag):
    assert await bases(**{reference: image(tag, triggers=["RUN x"])}).pull(reference, print) == ["RUN x"]


class Registries(StubEngine):
    """None has the image; `said`: in which words, by the first word of the registry's name."""

    def __init__(self, **said: str) -> None:
        super().__init__({})
        self.said = said

    async def pull(self, reference, timeout):
        await super().pull(reference, timeout)
        raise EngineFailed(self.said[reference.partition(".")[0]])


async def test_one_registry_that_can_not_be_reached_says_nothing_of_others():
    engine = Registries(nowhere="dial tcp: lookup nowhere.invalid: no such host", official="manifest unknown")
    found = Bases(engine, {}, lambda: None, None)
    for _ in range(2):
        with pytest.raises(NoBase, match="can't be pulled"):
            await found.pull("nowhere.invalid/x:1", print)
    with pytest.raises(NoBase) as refused:
        await found.pull("official.invalid/python:3.12", print)
    assert refused.value.quoted == "official.invalid/python:3.12: there is no such image, or none of this tag"
    assert engine.pulled == ["nowhere.invalid/x:1", "official.invalid/python:3.12"]


async def test_a_name_that_sounds_like_a_fault_blocks_no_registry():
    engine = Registries(**{
        "unreachable/x:1": "pull access denied for unreachable/x, repository does not exist",
        "dial tcp/x:1": "manifest for dial tcp/x:1: it did not go on",
    })  # fmt: skip
    found = Bases(engine, {}, lambda: None, None)
    for name in ("unreachable/x:1", "dial tcp/x:1", "unreachable/x:1"):
        with pytest.raises(NoBase):
            await found.pull(name, print)
    assert len(engine.pulled) == 3


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:5000", "169.254.169.254", "10.0.0.5:5000"])
async def test_the_engine_is_sent_to_no_private_address(host):
    """It fetches from this machine's own network, and would show what answers there."""
    engine = Registries()
    with pytest.raises(NoBase, match="the registry of a base image can't be used"):
        await Bases(engine, {}, lambda: None, None).pull(f"{host}/x/y:z", print)
    assert engine.pulled == []


async def test_what_answers_in_a_registry_s_place_is_not_shown():
    engine = Registries(**{"127": 'error parsing HTTP 200 response body: invalid character: "SECRET-OF-THE-METADATA"'})
    found = Bases(engine, {}, lambda: None, None, ("127.0.0.1",))
    with pytest.raises(NoBase) as refused:
        await found.pull("127.0.0.1:8080/x:1", print)
    assert refused.value.quoted == "127.0.0.1:8080/x:1: its registry did not give it"


async def recipe_of(tmp_path, text: str, found: dict[str, dict]) -> Recipe:
    (tmp_path / "Dockerfile").write_text(text)
    plan = BuildPlan(runtime="dockerfile", dockerfile_path="Dockerfile")
    return await Planner(SourceReader(InProcess()), bases(**found)).make_recipe(plan, tmp_path, "", {}, print)


async def test_what_is_copied_from_is_brought_and_checked_as_well(tmp_path):
    found = {"a": image("a:latest"), "other:1": OF_AN_APP}
    with pytest.raises(StepFailed, match="the image of an app"):
        await recipe_of(tmp_path, "FROM a\nCOPY --from=other:1 /app /app", found)
    with pytest.raises(StepFailed, match="can't be pulled") as failed:
        await recipe_of(tmp_path, "FROM a\nCOPY --from=nginx:1 /app /app", found)
    assert failed.value.quoted.startswith("nginx:1: ")
    with pytest.raises(StepFailed, match="line 2 of the Dockerfile"):
        await recipe_of(tmp_path, "FROM a\nRUN --network=host x", found)


async def test_a_linked_dockerfile_may_be_elsewhere_in_the_repository_and_nowhere_else(tmp_path):
    tree = tmp_path / "tree"
    (tree / "docker").mkdir(parents=True)
    (tree / "api").mkdir()
    (tree / "docker" / "Dockerfile").write_text("FROM a\n")
    (tmp_path / "Outside").write_text("FROM secret\n")
    link = tree / "api" / "Dockerfile"
    planner = Planner(SourceReader(InProcess()), bases(a=image("a:latest")))
    plan = BuildPlan(runtime="dockerfile", dockerfile_path="Dockerfile")
    link.symlink_to("../docker/Dockerfile")
    assert (await planner.make_recipe(plan, tree, "api", {}, print)).dockerfile == "FROM a\n"
    assert await planner.preview(plan, tree, "api", ("", ""), {}) == "FROM a\n"
    link.unlink()
    link.symlink_to("../../Outside")
    with pytest.raises(StepFailed, match="no such Dockerfile"):
        await planner.make_recipe(plan, tree, "api", {}, print)


async def test_triggers_of_a_base_are_checked_as_well(tmp_path):
    for trigger in ("COPY --from=other:1 / /x", f"COPY --from={VICTIM} / /x", "RUN --security=insecure x", "nonsense"):
        found = {"a": image("a:latest", triggers=["RUN y", trigger]), "other:1": OF_AN_APP}
        with pytest.raises(StepFailed, match="the image of an app|a base image adds a step"):
            await recipe_of(tmp_path, "FROM a\nRUN x", found)
    fine = {"a": image("a:latest", triggers=["COPY --from=build . /app"]), "b": image("b:latest")}
    assert (await recipe_of(tmp_path, "FROM b AS build\nFROM a", fine)).dockerfile == "FROM b AS build\nFROM a\n"


async def test_heredocs_need_a_builder_that_knows_them():
    text = "FROM a\nRUN <<EOF\nFROM better-paas/app-victim:1\nEOF\n"
    assert own.read(text).has_heredocs and not own.read("FROM a\nRUN x\n").has_heredocs
    for way, version in (("api", "20.10.24+dfsg1"), ("cli", "20.10.24"), ("classic", "29.0.0")):
        runtime = DockerRuntime(StubEngine({}, version), "i", "auto", None, None, None, None)
        with pytest.raises(RuntimeFailed, match=re.escape("heredocs (<<)")):
            await runtime._refuse_unknown_syntax(way)
    runtime = DockerRuntime(StubEngine({}, "23.0.1"), "i", "auto", None, None, None, None)
    await runtime._refuse_unknown_syntax("api")


@pytest.mark.parametrize("runtime", ["python", "node", "static", "go", "php"])
def test_generated_dockerfiles_are_held_to_the_same_and_stay_as_they_are(runtime):
    plan = BuildPlan(
        runtime=runtime, install="x install", build="y && z", start="run", output="dist", mounts=("/data",)
    )
    text = generate(plan, "language:1", "server:2", has_variables=True)
    read = own.read(text)
    assert {image.reference for image in read.images} <= {"language:1", "server:2"}
    assert [line for line in read.text.split("\n") if line] == [line for line in text.split("\n") if line]


def test_arguments_of_the_build_decide_on_what_it_stands():
    text = "ARG BASE=python:3.11\nARG TAG\nFROM $BASE\nFROM x:${TAG:-1} AS y\n"
    assert [image.reference for image in own.read(text).images] == ["python:3.11", "x:1"]
    found = own.read(text, {"BASE": "ruby:3.4", "TAG": "2", "OTHER": "x"})
    assert [image.reference for image in found.images] == ["ruby:3.4", "x:2"]
    # What is built has them in it: nothing can be put in their place later.
    assert "FROM ruby:3.4" in found.text and "FROM x:2 AS y" in found.text
    with pytest.raises(BadDockerfile):
        own.read(text, {"BASE": "better-paas/app-other:1"})
