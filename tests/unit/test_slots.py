"""Places that nobody takes all of."""

import asyncio

from better_paas.kit.slots import Slots


async def test_one_owner_gets_his_share_and_others_theirs():
    slots, inside, over = Slots(total=3, each=2), [], asyncio.Event()

    async def hold(owner: str) -> None:
        async with slots.taken(owner):
            inside.append(owner)
            await over.wait()

    tasks = [asyncio.create_task(hold(owner)) for owner in ["greedy"] * 5 + ["other"] * 2]
    await asyncio.sleep(0.01)
    assert inside == ["greedy", "greedy", "other"]
    over.set()
    await asyncio.gather(*tasks)
    assert sorted(inside) == ["greedy"] * 5 + ["other"] * 2
    assert len(slots._own) == 0


async def test_one_who_waits_and_leaves_takes_none():
    slots = Slots(total=1, each=1)
    async with slots.taken("a"):
        waits = asyncio.create_task(slots.taken("a").__aenter__())
        await asyncio.sleep(0.01)
        waits.cancel()
    async with asyncio.timeout(1), slots.taken("a"):
        pass
