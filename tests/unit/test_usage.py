"""What an app takes, as the engine measures it."""

import pytest

from better_paas.engine.client import Container
from better_paas.runtime.docker import DockerRuntime
from better_paas.runtime.protocol import RuntimeFailed

NOTHING = {
    "read": "0001-01-01T00:00:00Z",
    "pids_stats": {},
    "memory_stats": {},
    "cpu_stats": {"cpu_usage": {"total_usage": 0}},
    "precpu_stats": {"cpu_usage": {"total_usage": 0}},
}
MEASURED = {
    "read": "2026-11-22T12:33:08Z",
    "pids_stats": {"current": 3},
    "memory_stats": {"usage": 5_000, "limit": 9_000, "stats": {"inactive_file": 1_000}},
    "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2_000, "online_cpus": 2},
    "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1_000},
}


def runtime_that_hears(answers):
    class StubEngine:
        async def containers(self, *labels):
            return [Container("c1", "shop", {}, True, "running", 0, False)]

        async def stats(self, container_id):
            return answers.pop(0)

    return DockerRuntime(StubEngine(), "i", "auto", None, None, None, None)


async def test_an_answer_without_a_measurement_is_no_app_that_takes_nothing():
    usage = await runtime_that_hears([NOTHING, NOTHING, MEASURED]).usage("d1")
    assert (usage.cpu, usage.memory, usage.memory_limit, usage.processes) == (0.4, 4_000, 9_000, 3)
    with pytest.raises(RuntimeFailed, match="can't measure"):
        await runtime_that_hears([NOTHING, NOTHING, NOTHING]).usage("d1")
