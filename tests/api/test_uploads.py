"""Deploying files: what is built, and every archive that must not get in."""

import asyncio
import io
import json
import shutil
import stat
import tarfile
import zipfile

import pytest

from better_paas.bootstrap import Platform
from better_paas.kit.unpack import ArchiveRefused, UnpackLimits, unpack
from better_paas.untrusted.reader import SourceReader
from tests.api.test_agents import holding, make
from tests.fakes import FakeBases, FakeIngress, FakeRuntime, InProcess

LIMITS = UnpackLimits(100, 1_000_000, 3_000_000)


def tar_of(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes], **options) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def zip_as(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a", b"x" * 1000)
    return buffer.getvalue()


def tar_with_large_header() -> bytes:
    info = tarfile.TarInfo("a")
    info.pax_headers = {"comment": "x" * 2_000_000}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    return buffer.getvalue()


def zip_bomb() -> bytes:
    """Says that it is small, and is not."""
    made = bytearray(zip_of(("a", b"\0" * 2_000_000)))
    size = (2_000_000).to_bytes(4, "little")
    assert made.count(size) >= 2
    return bytes(made.replace(size, (10).to_bytes(4, "little")))


@pytest.mark.parametrize(
    "archive",
    [
        tar_of(("../evil", b"x")), tar_of(("/etc/evil", b"x")), tar_of(("a/../../evil", b"x")), tar_of(("a\\..\\b", b"x")),
        tar_of(special("link", tarfile.SYMTYPE, "/etc/passwd")), tar_of(special("hard", tarfile.LNKTYPE, "a")),
        tar_of(special("dir", tarfile.SYMTYPE, ".."), ("dir/evil", b"x")), tar_of(special("null", tarfile.CHRTYPE)),
        tar_of(special("disk", tarfile.BLKTYPE)), tar_of(special("pipe", tarfile.FIFOTYPE)),
        tar_of(("a", b"1"), ("a", b"2")), tar_of(("a", b"1"), ("a/b", b"2")), tar_of(("x/" * 70 + "f", b"1")),
        tar_of(("n" * 300, b"1")), tar_of(("a\nb", b"1")), tar_of(), tar_of(("big", b"\0" * 1_000_001)),
        tar_of(*((f"f{number}", b"") for number in range(101))), tar_of(*((f"f{n}", b"\0" * 900_000) for n in range(4))),
        zip_of(("../evil", b"x")), zip_of(("/etc/evil", b"x")), zip_of((zip_link("link"), b"/etc/passwd")),
        zip_of(("C:\\evil", b"x")), zip_bomb(), zip_of(("__MACOSX/x", b"y")), b"", b"not an archive", b"\x1f\x8b broken",
        zip_as(zipfile.ZIP_BZIP2), zip_as(zipfile.ZIP_LZMA), tar_with_large_header(),
        tar_of(*((f"{n}/" + "d/" * 40 + "f", b"") for n in range(5))), zip_of(*((f"f{n}", b"") for n in range(401))),
        tar_of(("__MACOSX/x", b"\0" * 6_000_000), ("a", b"1")), tar_of(("a", b"1" * 1000))[:-20], zip_of(("a", b"1" * 1000))[:-30],
    ],
    # Archives hold the moment at which they were made: each worker would see tests of other names.
    ids=lambda archive: "archive",
)  # fmt: skip
def test_archives_that_do_not_get_in(tmp_path, archive):
    with pytest.raises(ArchiveRefused):
        unpack(io.BytesIO(archive), tmp_path / "inside" / "tree", LIMITS)
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "inside" / "evil").exists()


@pytest.mark.parametrize("make_archive", [tar_of, zip_of])
def test_one_folder_at_the_top_is_left_out(tmp_path, make_archive):
    archive = make_archive(("shop/index.html", b"hi"), ("shop/src/app.js", b"1"), ("__MACOSX/shop/._x", b"litter"))
    assert unpack(io.BytesIO(archive), tmp_path / "tree", LIMITS) == 2
    assert (tmp_path / "tree" / "index.html").read_bytes() == b"hi"
    assert (tmp_path / "tree" / "src" / "app.js").exists()


async def send(client, archive: bytes, **config):
    files = {"archive": ("source.tar.gz", archive, "application/gzip")}
    return await client.post("/api/deploy/upload", data={"config": json.dumps(config)}, files=files)


SITE = tar_of(("source/index.html", b"first"))


async def test_files_become_an_app_and_new_ones_its_next_version(driver, platform):
    made = (await send(driver.client, SITE, name="shop", envVars={"A": "1"})).json()
    assert (made["name"], made["gitRepo"]) == ("shop", f"upload://{made['id']}")
    await driver.ended(made["deploymentId"])
    assert (await driver.app(made["id"]))["status"] == "running"
    listed = (await driver.client.get("/api/deployments/history")).json()
    assert (listed[0]["trigger"], listed[0]["commitMsg"]) == ("upload", "Uploaded files")
    again = (await send(driver.client, tar_of(("index.html", b"second")), id=made["id"])).json()
    assert again["id"] == made["id"]
    assert again["envVars"] == {"A": "1"}
    await driver.ended(again["deploymentId"])
    assert (platform.uploads.newest(made["id"]) / "index.html").read_bytes() == b"second"
    versions = (await driver.client.get("/api/deployments/compare", params={"id": again["deploymentId"]})).json()
    assert versions["commit"] != versions["withCommit"]
    # A redeploy builds the same files; what the app says of its source can be sent back, and nothing else of the kind.
    redeployed = await driver.post("/api/apps/redeploy", id=made["id"])
    assert (await driver.ended(redeployed["deploymentId"]))["status"] == "success"
    same = (await driver.client.get("/api/deployments/compare", params={"id": redeployed["deploymentId"]})).json()
    assert same["commit"] == same["withCommit"] == versions["commit"]
    await driver.post("/api/apps/update", id=made["id"], gitRepo=made["gitRepo"])
    other = await driver.live("other")
    await driver.post("/api/apps/update", status=400, id=other["id"], gitRepo=made["gitRepo"])
    await driver.post("/api/deploy", status=400, name="thief", gitRepo=made["gitRepo"])
    await driver.post("/api/deploy/plan", status=422, gitRepo=made["gitRepo"])
    await driver.post("/api/apps/delete", id=made["id"])
    assert (platform.data_dir / "uploads" / made["id"]).exists()
    await driver.post("/api/apps/purge", id=made["id"], name=made["name"])
    assert not (platform.data_dir / "uploads" / made["id"]).exists()


class _Reading(FakeRuntime):
    """Remembers what it was given to build."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[bytes] = []

    async def build(self, request, say) -> str:
        self.pages.append((request.tree / "index.html").read_bytes())
        return await super().build(request, say)


async def test_a_build_that_was_cut_off_goes_on_with_its_own_files(driver, platform, settings):
    platform.runtime.build_gate = asyncio.Event()
    made = (await send(driver.client, SITE, name="shop")).json()
    async with asyncio.timeout(10):
        while "building" not in await driver.log(made["deploymentId"]):
            await asyncio.sleep(0.02)
    await send(driver.client, tar_of(("index.html", b"second")), id=made["id"])
    await platform.stop()
    shutil.rmtree(platform.workspace / made["deploymentId"])
    runtime = _Reading()
    again = Platform(settings, runtime, FakeIngress(), FakeBases(), SourceReader(InProcess()))
    await again.start()
    try:
        async with asyncio.timeout(15):
            while len(runtime.pages) < 2:
                await asyncio.sleep(0.02)
    finally:
        await again.stop()
        await runtime.close()
    assert runtime.pages == [b"first", b"second"]


async def test_what_is_no_upload(driver, platform):
    client = driver.client
    for answer in (
        await client.post("/api/deploy/upload", json={"name": "x"}),
        await client.post("/api/deploy/upload", data={"config": "{}"}, files={"other": b"x"}),
        await send(client, SITE),
        await send(client, SITE, name="shop", unknown=1),
        await send(client, b"x", name="shop"),
        await client.post("/api/deploy/upload", data={"config": "{"}, files={"archive": SITE}),
        await client.post("/api/deploy", data={"name": "x"}, files={"archive": SITE}),
        await client.post("/api/deploy/upload", content=b"x", headers={"Content-Type": "multipart/form-data"}),
    ):
        assert answer.status_code == 400, answer.text
        assert answer.json()["hint"], answer.text
    assert (await send(client, SITE, id="nothing")).status_code == 404
    assert list((platform.data_dir / "uploads").glob("*")) == []
    assert (await client.get("/api/apps")).json() == []


async def test_a_yes_is_for_these_very_files(driver, platform):
    made = await make(driver, profile="deployer", scopes=None, requireApproval="all")
    async with holding(platform, made["token"]) as agent:
        asked = (await send(agent, SITE, name="shop")).json()
        assert asked["status"] == "approval_required"
        await driver.post("/api/approvals/approve", id=asked["approvalId"])
        other = await send(agent, tar_of(("index.html", b"evil")), name="shop")
        assert other.status_code == 202
        assert (await send(agent, SITE, name="shop")).status_code == 200
    await driver.ended((await driver.client.get("/api/deployments/history")).json()[0]["id"])


async def test_an_upload_into_an_app_is_a_change_of_it(driver, platform):
    app = (await send(driver.client, SITE, name="prod", envVars={"A": "1"}, domains=["prod.example.com"])).json()
    await driver.ended(app["deploymentId"])
    made = await make(driver, profile="deployer", scopes=None)
    async with holding(platform, made["token"]) as agent:
        asked = (await send(agent, SITE, id=app["id"], domains=[], envVars={})).json()
        assert asked["summary"] == (
            "Replaces the files of app prod, deploys them, and changes domains, 0 variables. "
            "Takes away 2 of what is there."
        )
        assert asked["quoted"] == "takes away A, prod.example.com"
        assert (await send(agent, SITE, id=app["id"], name="harmless")).status_code == 400
        changed = (await send(agent, SITE, id=app["id"], memory="256m")).json()
        await driver.ended(changed["deploymentId"])
    assert (await driver.app(app["id"]))["domains"] == ["prod.example.com"]
    waiting = (await driver.client.get("/api/approvals")).json()
    assert [(entry["resourceId"], entry["resourceName"]) for entry in waiting] == [(app["id"], "prod")]
    entries = (await driver.client.get("/api/audit-logs", params={"action": "app:deploy", "actor": made["id"]})).json()
    assert {entry["resourceId"] for entry in entries} == {app["id"]}
    assert entries[0]["diff"]["memory"] == ["", "256m"]


async def test_who_may_not_upload_sends_no_body(driver, platform):
    made = await make(driver, scopes=["apps:read"])
    app = await driver.live("mine")
    limited = await make(driver, profile="deployer", scopes=None, apps=[app["id"]])
    async with holding(platform, made["token"]) as agent:
        assert (await send(agent, SITE, name="shop")).json()["error"] == "Forbidden: missing scope deploy:trigger"
    async with holding(platform, limited["token"]) as agent:
        assert (await send(agent, SITE, name="shop")).status_code == 403
        assert (await send(agent, SITE, id="elsewhere")).status_code == 404
        assert (await send(agent, SITE, id=app["id"])).status_code == 200
    await driver.ended((await driver.client.get("/api/deployments/history")).json()[0]["id"])


async def test_a_body_has_a_limit_of_its_own(driver, platform, monkeypatch):
    from better_paas import middleware

    monkeypatch.setattr(middleware, "_MAX_UPLOAD_BYTES", 3_000_000)
    large = tar_of(("index.html", bytes(range(256)) * 10))
    assert (await send(driver.client, large + b"\0" * 2_500_000, name="shop")).status_code == 200
    answer = await send(driver.client, large + b"\0" * 3_500_000, name="shop")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    await driver.ended((await driver.client.get("/api/deployments/history")).json()[0]["id"])


async def test_a_start_removes_uploads_that_nobody_needs(driver, platform):
    made = (await send(driver.client, SITE, name="shop")).json()
    await driver.ended(made["deploymentId"])
    folder = platform.data_dir / "uploads"
    (folder / "incoming-x" / "tree").mkdir(parents=True)
    (folder / "gone").mkdir()
    await platform.operations.sweep()
    assert [path.name for path in folder.iterdir()] == [made["id"]]


async def test_a_domain_that_comes_with_files_is_served_at_once(driver, platform):
    made = (await send(driver.client, SITE, name="shop")).json()
    await driver.ended(made["deploymentId"])
    platform.runtime.build_gate = asyncio.Event()
    told = platform.ingress.applied
    await send(driver.client, SITE, id=made["id"])
    assert platform.ingress.applied == told
    await send(driver.client, SITE, id=made["id"], domains=["shop.example.com"])
    assert platform.ingress.applied == told + 1
    platform.runtime.build_gate.set()
