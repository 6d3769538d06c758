"""The log files of deployments: one writer each while it runs, any number of readers."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from better_paas.kit import logs
from better_paas.kit.events import Event, EventBus
from better_paas.kit.logs import Lines, LogFile
from better_paas.kit.redact import Redactor
from better_paas.kit.signals import Signal

_LOOK_AGAIN_SECONDS = 1.0
# The level of lines that an app wrote itself.
APP_OUTPUT = "app"


class DeploymentLog:
    """What a deployment says. Secret values are masked before anything is written."""

    def __init__(self, file: LogFile, redactor: Redactor) -> None:
        self._file, self._redactor = file, redactor

    def say(self, message: str, level: str = "info") -> None:
        """One line of progress or output; dropped once the log is full."""
        self._file.write(self._redactor.text(message), level=level)

    def step(self, name: str, message: str) -> None:
        self._file.write(self._redactor.text(message), level="step", always=True, step=name)

    def error(self, message: str) -> None:
        self._file.write(self._redactor.text(message), level="error", always=True)


class DeploymentLogStore:
    """folder: one subfolder for each app. limit: bytes of one log."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._open: dict[str, LogFile] = {}
        self._opened = Signal()

    def open(self, app_id: str, deployment_id: str, redactor: Redactor) -> DeploymentLog:
        file = self._open.get(deployment_id)
        if file is None:
            file = self._open[deployment_id] = LogFile(self.path(app_id, deployment_id), self._limit)
            self._opened.fire()
        return DeploymentLog(file, redactor)

    def close(self, deployment_id: str) -> None:
        file = self._open.pop(deployment_id, None)
        if file is not None:
            file.close()

    def close_all(self) -> None:
        """At the end of this process; logs of unfinished deployments go on in the next one."""
        for deployment_id in list(self._open):
            self.close(deployment_id)

    def path(self, app_id: str, deployment_id: str) -> Path:
        return self._folder / app_id / f"{deployment_id}.log"

    def read(self, app_id: str, deployment_id: str, offset: int, limit: int) -> Lines:
        return logs.read_lines(self.path(app_id, deployment_id), offset, limit)

    async def follow(
        self, app_id: str, deployment_id: str, offset: int, is_active: Callable[[], Awaitable[bool]], events: EventBus
    ) -> AsyncIterator[Lines]:
        """Everything from byte `offset` on, until the deployment ends. One that is queued is waited for.

        events: which say when to ask `is_active` again.
        """
        with events.listen() as news:
            goes_on = await is_active()
            while deployment_id not in self._open and goes_on:
                opened = self._opened.next()
                # Of a deployment that runs in another process, nothing tells but the file.
                lines = await asyncio.to_thread(logs.read_lines, self.path(app_id, deployment_id), offset)
                if lines.entries:
                    offset = lines.offset
                    yield lines
                    continue
                if await _is_told_of(deployment_id, news, opened):
                    goes_on = await is_active()
        async for lines in logs.follow(self.path(app_id, deployment_id), self._open.get(deployment_id), offset):
            yield lines

    def forget_app(self, app_id: str) -> None:
        shutil.rmtree(self._folder / app_id, ignore_errors=True)


async def _is_told_of(deployment_id: str, news: asyncio.Queue[Event], opened: asyncio.Event) -> bool:
    """Wait for a log that is opened, for news, or until it is time to look again.

    Gives whether there was news of this deployment.
    """
    told, begun = asyncio.ensure_future(news.get()), asyncio.ensure_future(opened.wait())
    try:
        done, _ = await asyncio.wait((told, begun), timeout=_LOOK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        begun.cancel()
    return told in done and (told.result()["topic"] == "reset" or told.result().get("id") == deployment_id)
