"""The ingress in step with the state, when Caddy does not take what it is given."""

import asyncio

import pytest

from better_paas.caddy.process import CaddyFailed
from better_paas.domains.ingress import Ingress
from better_paas.domains.render import IngressSettings, Name, Site
from better_paas.domains.unserved import UnservedNames

SITES = [Site("a1", (Name("a.localhost"), Name("shop.example.com", https=True)))]


async def no_sites():
    return []


class StubCaddy:
    """adopted: whether one ran before. refused: a word of what it does not take."""

    def __init__(self, adopted: bool, refused: str) -> None:
        self.adopted, self.refused = adopted, refused
        self.running, self.tries, self.config = adopted, False, {"of": "before"} if adopted else None

    async def start(self, plain):
        if not self.adopted:
            self._take(plain)
            self.running = True

    async def refuses(self, config):
        return ""

    async def load(self, config):
        self._take(config)

    def _take(self, config):
        if self.refused and self.refused in config["apps"]["http"]["servers"]:
            raise CaddyFailed(f"the port of {self.refused} is taken")
        self.config = config

    def remembered(self):
        return self.config

    def keep_trying(self):
        self.tries = True

    def pid(self):
        return 1


@pytest.fixture
def made(tmp_path):
    def make(caddy: StubCaddy) -> Ingress:
        async def sites():
            return SITES

        settings = IngressSettings(tmp_path / "caddy", tmp_path / "routes", "", 80, 443, "me@example.org")
        settings.folder.mkdir()
        ingress = Ingress(settings, sites, tuple, UnservedNames(settings.folder / "unserved.json"))
        ingress._caddy = caddy
        return ingress

    return make


async def test_an_adopted_one_that_refuses_a_change_does_not_keep_the_server_down(made):
    caddy = StubCaddy(adopted=True, refused="http")
    ingress = made(caddy)
    await ingress.start()
    assert "the port of http is taken" in ingress.problem
    assert (caddy.tries, caddy.config) == (False, {"of": "before"})


async def test_https_is_served_once_its_port_is_free(made):
    caddy = StubCaddy(adopted=False, refused="https")
    ingress = made(caddy)
    await ingress.start()
    assert "HTTPS is not served" in ingress.problem
    assert "https" not in caddy.config["apps"]["http"]["servers"]
    caddy.refused = ""
    ingress._changed(True)  # it was started again
    async with asyncio.timeout(5):
        while "https" not in caddy.config["apps"]["http"]["servers"]:
            await asyncio.sleep(0.01)
    assert ingress.problem == ""


async def test_many_changes_at_once_share_a_loading_and_each_is_seen(made):
    caddy = StubCaddy(adopted=False, refused="")
    ingress = made(caddy)
    await ingress.start()
    stored, looks = [], []

    async def sites():
        looks.append(len(stored))
        await asyncio.sleep(0.01)
        return [Site(f"a{number}", (Name(f"{number}.localhost"),)) for number in stored]

    ingress._sites = sites

    async def change(number):
        stored.append(number)
        await ingress.apply()
        assert f"a{number}" in ingress._serving

    await asyncio.gather(*(change(number) for number in range(50)))
    await change(50)
    assert len(looks) <= 4


async def test_what_one_caller_hears_of_a_refusal_each_of_them_hears(made):
    caddy = StubCaddy(adopted=False, refused="")
    ingress = made(caddy)
    await ingress.start()
    caddy.refused = "http"
    ingress._sites = no_sites
    results = await asyncio.gather(*(ingress.apply() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [CaddyFailed] * 3
