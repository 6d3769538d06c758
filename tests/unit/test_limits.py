"""Limits of builds, in both forms of the kernel's control groups."""

from types import SimpleNamespace

from better_paas.engine.limits import MOST_PROCESSES, BuildLimits, limit_builds
from better_paas.runtime.docker import DockerRuntime


def test_the_unified_form(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    assert limit_builds(BuildLimits(2**30, 1.5), tmp_path) == ""
    group = tmp_path / "docker/buildkit"
    assert (group / "cpu.max").read_text() == "150000 100000"
    assert (group / "cpu.weight").read_text() == "10"  # of 100: apps come first
    assert (group / "memory.max").read_text() == str(2**30)
    assert (group / "pids.max").read_text() == str(MOST_PROCESSES)
    assert "+pids" in (tmp_path / "cgroup.subtree_control").read_text()


def test_the_old_form(tmp_path):
    assert limit_builds(BuildLimits(2**30, 0.5), tmp_path) == ""
    assert (tmp_path / "cpu/docker/buildkit/cpu.cfs_quota_us").read_text() == "50000"
    assert (tmp_path / "cpu/docker/buildkit/cpu.shares").read_text() == "102"
    assert (tmp_path / "memory/docker/buildkit/memory.limit_in_bytes").read_text() == str(2**30)
    assert (tmp_path / "pids/docker/buildkit/pids.max").read_text() == str(MOST_PROCESSES)


def test_why_it_can_not_be_done_is_told(tmp_path):
    (tmp_path / "cpu").write_text("in the way")
    assert "builds are not limited" in limit_builds(BuildLimits(2**30, 0.5), tmp_path)


def test_a_share_of_the_host_is_what_is_not_said():
    limits = BuildLimits.of(0, 0)
    assert limits.memory > 2**28
    assert limits.cpus >= 0.5
    assert BuildLimits.of(5, 2.0) == BuildLimits(5, 2.0)


async def test_an_engine_that_leaves_the_groups_to_systemd_is_told_of(monkeypatch):
    class StubEngine:
        async def image(self, reference): ...

        async def cgroup_driver(self):
            return "systemd"

    runtime = DockerRuntime(StubEngine(), "i", "auto", None, None, None, None, BuildLimits(2**30, 1.0))

    async def built(*_): ...

    monkeypatch.setattr(runtime, "_build", built)
    await runtime.build(SimpleNamespace(app_id="a", deployment_id="d"), print)
    assert "leaves their control groups to systemd" in runtime.limit_problem


async def test_the_build_cache_is_trimmed_only_where_it_can_be_nobody_else_s():
    asked = []

    class StubEngine:
        listed = (SimpleNamespace(labels={"better-paas.instance": "i"}),)

        async def containers(self, *labels):
            return self.listed

        async def prune_build_cache(self, most_bytes):
            asked.append(most_bytes)
            return 5

    engine = StubEngine()
    runtime = DockerRuntime(engine, "i", "auto", None, None, None, None)
    assert await runtime.trim_build_cache(10 * 2**30) == 5
    engine.listed += (SimpleNamespace(labels={"of": "somebody else"}),)
    assert await runtime.trim_build_cache(10 * 2**30) == 0
    assert asked == [10 * 2**30]
