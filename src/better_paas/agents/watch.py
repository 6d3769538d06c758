"""Looks after agents while the server runs: how they are used, and when one has to be stopped."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog

from better_paas.agents import service
from better_paas.agents.models import Agent
from better_paas.agents.registry import EffectiveGrant, Grant, Registry
from better_paas.audit import service as audit
from better_paas.db.database import Database, after_commit, notify
from better_paas.kit.ids import new_id

_FLUSH_SECONDS = 5.0
_MOST_DOOR_ENTRIES = 10
_log = structlog.get_logger(__name__)


class AgentWatch:
    """denials, destructive: how many within `window` suspend a token. told: called with (kind, agent id, text)."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        *,
        denials: int,
        destructive: int,
        window: timedelta,
        told: Callable[[str, str, str], None],
    ) -> None:
        self._database, self._registry, self._told = database, registry, told
        self._limits = {"denied": denials, "destructive": destructive}
        self._window = window
        self._flush: asyncio.Task[None] | None = None
        self._pending: set[asyncio.Future[None]] = set()

    def used(self, agent_id: str, address: str, moment: datetime) -> None:
        """Note a call. What is noted is written in one unit, a few seconds later."""
        self._registry.note_use(agent_id, address, moment)
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(_FLUSH_SECONDS)
        await self.flush()

    async def flush(self) -> None:
        """Write how tokens were used since the last time."""
        taken = self._registry.take_usage()
        if not taken:
            return
        try:
            await self._database.write(lambda session: service.write_usage(session, taken))
        except Exception as error:  # a count that is lost is no reason to fail anything
            _log.warning("the use of agent tokens could not be written", reason=str(error))

    async def close(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
        await self.flush()

    def turned_away(self, holder: EffectiveGrant, address: str, reason: str) -> None:
        """Someone who has the token was refused at the door: the first few times are written down."""
        own = holder.own
        if self._registry.trouble(own.id, "door", self._window) > _MOST_DOOR_ENTRIES:
            return
        entry = audit.Entry(
            "agent", own.id, "auth:verify", "denied", new_id(16), actor_name=own.name, ip_address=address,
            resource_type="agent", resource_id=own.id, resource_name=own.name, error=reason, decision="deny",
        )  # fmt: skip
        task = asyncio.ensure_future(self._database.write(lambda session: audit.record(session, entry)))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def trouble(self, holder: EffectiveGrant, kind: str) -> None:
        """Count a denial ("denied") or a destructive call; too many suspend the token, or the one that made it."""
        limit = self._limits[kind]
        minutes = round(self._window.total_seconds() / 60)
        what = "denials" if kind == "denied" else "destructive calls"
        for grant in holder.chain:
            count = self._registry.trouble(grant.id, kind, self._window)
            if limit and count >= limit:
                await self.suspend(grant.id, f"{count} {what} within {minutes} min")

    async def suspend(self, agent_id: str, reason: str) -> None:
        def unit(session: Any) -> Agent | None:
            agent = service.suspend(session, agent_id, reason)
            if agent is not None:
                entry = audit.by_platform(
                    "agent:suspend", "success", new_id(16),
                    resource_type="agent", resource_id=agent.id, resource_name=agent.name, payload={"reason": reason},
                )  # fmt: skip
                audit.record(session, entry)
                grant = Grant.of(agent)
                after_commit(session, lambda: self._registry.put(grant))
                notify(session, "agent", agent_id)
            return agent

        agent = await self._database.write(unit)
        if agent is not None:
            self._registry.forget_trouble(agent_id)
            self._told("agent_suspended", agent_id, f"The token of {agent.name} was suspended: {reason}.")
