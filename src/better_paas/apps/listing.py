"""The list of apps, which dashboards and agents ask for most, as JSON.

While nothing is committed, the answer is the one from before. After a commit the rows behind each app are compared with
those that its part was made of, and only parts of which one has changed are made anew: reading 200 apps' rows takes a
tenth of opening and writing out what they say.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, String, select, type_coerce
from sqlalchemy.orm import Session

from better_paas.access.caller import Caller
from better_paas.apps import schemas, service
from better_paas.apps.models import App
from better_paas.db.database import Database
from better_paas.deployments.models import Deployment, Release
from better_paas.domains import service as domains
from better_paas.domains.hosts import HostRules
from better_paas.domains.unserved import UnservedNames
from better_paas.kit.recent import Recent

_PAGES = 64
# Large, and in no answer.
_NOT_SHOWN = ("plan", "settings")


@dataclass(frozen=True)
class Page:
    """next: the cursor of the page after it, empty for none."""

    body: bytes
    next: str


@dataclass(frozen=True)
class _Part:
    """An app's answer. rows: what it was made of, as it is stored."""

    rows: tuple[Any, ...]
    body: bytes


class Listing:
    """Pages of the list, for each caller what it may see."""

    def __init__(self, database: Database, rules: HostRules, unserved: UnservedNames) -> None:
        self._database, self._rules, self._unserved = database, rules, unserved
        self._pages: Recent[tuple[Any, Page]] = Recent(_PAGES)
        # By app and whether it is for an agent.
        self._parts: dict[tuple[str, bool], _Part] = {}

    async def page(self, caller: Caller, limit: int, cursor: str | None) -> Page:
        """Apps by name. cursor: name of the last app of the page before."""
        key = (caller.kind, caller.id, limit, cursor)
        # Before the state is read: a commit in between makes what is read now outdated, not wrong.
        version = (self._database.version, self._unserved.version)
        if (kept := self._pages.get(key)) is not None and kept[0] == version:
            return kept[1]
        page = await self._database.read(lambda session: self._make(session, caller, limit, cursor))
        self._pages.put(key, (version, page))
        return page

    def _make(self, session: Session, caller: Caller, limit: int, cursor: str | None) -> Page:
        unserved = Counter(entry.app_id for entry in self._unserved.all())
        behind = _rows(session, unserved)
        # A copy: pages are made on several threads.
        for gone in [key for key in list(self._parts) if key[0] not in behind]:
            self._parts.pop(gone, None)
        shown = {
            app_id: rows
            for app_id, (name, project_id, rows) in behind.items()
            if (cursor is None or name > cursor) and caller.sees_app(app_id, project_id)
        }
        chosen = list(shown)[:limit]
        parts = {app_id: self._parts.get((app_id, caller.is_agent)) for app_id in chosen}
        changed = [app_id for app_id, part in parts.items() if part is None or part.rows != shown[app_id]]
        for view in self._views(session, changed):
            left_out = unserved[view.app.id]
            fields = service.answer(view, self._rules, for_agent=caller.is_agent, unserved=left_out)
            body = schemas.AppAnswer(**fields).model_dump_json(by_alias=True).encode()
            self._parts[view.app.id, caller.is_agent] = parts[view.app.id] = _Part(shown[view.app.id], body)
        body = b"[" + b",".join(part.body for part in parts.values() if part is not None) + b"]"
        return Page(body, behind[chosen[-1]][0] if len(chosen) == limit else "")

    @staticmethod
    def _views(session: Session, app_ids: list[str]) -> list[service.AppView]:
        if not app_ids:
            return []
        return service.views(session, list(session.scalars(select(App).where(App.id.in_(app_ids)))))


def _rows_behind() -> Select[Any]:
    """All that answers are made of but for domains, in one query: an app's id, name and project's id come first."""
    apps, releases, deployments = (entity.__table__ for entity in (App, Release, Deployment))
    latest, live = deployments.alias(), deployments.alias()
    stored = [
        # What is only compared need not be decoded.
        type_coerce(column, String).label(f"column_{number}")
        for number, column in enumerate(column for table in (apps, releases, latest, live) for column in table.columns)
        if column.name not in _NOT_SHOWN
    ]
    return (
        select(apps.c.id, apps.c.name, apps.c.project_id, *stored)
        .outerjoin(releases, releases.c.id == apps.c.live_release_id)
        .outerjoin(latest, latest.c.id == service.newest_deployment())
        .outerjoin(live, live.c.id == releases.c.deployment_id)
        .where(apps.c.deleted_at.is_(None))
        .order_by(apps.c.name)
    )


_ROWS_BEHIND = _rows_behind()


def _rows(session: Session, unserved: Mapping[str, int]) -> dict[str, tuple[str, str, tuple[Any, ...]]]:
    """(name, project's id, the rows behind its answer) of all apps, by name."""
    names = domains.names_of(session)
    found = session.execute(_ROWS_BEHIND)
    return {row[0]: (row[1], row[2], (*row, tuple(names.get(row[0], ())), unserved.get(row[0], 0))) for row in found}
