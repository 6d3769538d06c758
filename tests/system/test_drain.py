"""What is under way during a cutover comes to its end on the release that began it."""

import asyncio
import time

import httpx2
import pytest
import websockets

from tests.system.apps import SLOW

pytestmark = pytest.mark.engine
_SLOW_SECONDS = 10


def test_slow_answers_uploads_and_sockets_outlive_the_cutover(paas, git):
    app = paas.live("drains", git.repository("slow.git", SLOW).url, healthPath="/")
    begun, after = asyncio.run(_cut_over_meanwhile(paas, app))
    assert begun == ["slow", "500000", "open"]
    assert after["port"] != app["port"]
    paas.post("/api/apps/delete", id=app["id"])


async def _cut_over_meanwhile(paas, app) -> tuple[list[str], dict]:
    base, host = f"http://127.0.0.1:{paas.http_port}", {"Host": app["defaultHost"]}

    async def upload():
        for _ in range(10):
            yield b"x" * 50_000
            await asyncio.sleep(0.6)

    async def socket() -> str:
        address = f"ws://{app['defaultHost']}:{paas.http_port}/socket"
        async with websockets.connect(address, host="127.0.0.1", ping_interval=None) as open_socket:
            waiting = asyncio.create_task(open_socket.wait_closed())
            done, _ = await asyncio.wait({waiting}, timeout=_SLOW_SECONDS)
            return "closed early" if done else "open"

    async with httpx2.AsyncClient(timeout=60) as client:
        begun = [
            asyncio.create_task(client.get(f"{base}/slow", headers=host)),
            asyncio.create_task(client.post(f"{base}/upload", headers=host, content=upload())),
            asyncio.create_task(socket()),
        ]
        await asyncio.sleep(1)
        started = time.monotonic()
        answer = await asyncio.to_thread(
            paas.post, "/api/apps/rollback", id=app["id"], deploymentId=app["activeDeployId"]
        )
        await asyncio.to_thread(paas.succeeded, answer["deploymentId"])
        assert time.monotonic() - started < _SLOW_SECONDS / 2, "the cutover came too late to prove anything"
        slow, uploaded, held = await asyncio.gather(*begun)
    return [slow.text, uploaded.text, held], await asyncio.to_thread(paas.app, app["id"])
