"""What the server's own commands share: its settings, and calls to the server that runs on this machine."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import httpx2
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from better_paas.access.admin import AdminToken
from better_paas.settings import load_or_exit

T = TypeVar("T")
_SECONDS = 60


def fail(text: str, hint: str = "", code: int = 1) -> NoReturn:
    """End the command with a message and this exit code."""
    print(f"better-paas: {text}" + (f"\n{hint}" if hint else ""), file=sys.stderr)
    raise SystemExit(code)


def call(method: str, path: str, **body: Any) -> Any:
    """The answer of the server on this machine, asked as its admin."""
    address, headers = _server()
    try:
        response = httpx2.request(method, f"{address}{path}", headers=headers, json=body or None, timeout=_SECONDS)
    except httpx2.HTTPError:
        _no_server(address)
    if response.status_code >= 400:
        answer = response.json()
        fail(str(answer.get("error")), str(answer.get("hint") or ""))
    return response.json()


def answers() -> bool:
    """Whether a server answers on this machine."""
    address, _ = _server() if load_or_exit().data_dir.exists() else ("", {})
    try:
        return bool(address) and httpx2.get(f"{address}/api/health", timeout=5).status_code in (200, 503)
    except httpx2.HTTPError:
        return False


def changes(topic: str) -> Iterator[None]:
    """One item each time that the server says that something of this topic changed, and one at the beginning."""
    address, headers = _server()
    try:
        with httpx2.stream("GET", f"{address}/api/events", headers=headers, timeout=_SECONDS) as response:
            for line in response.iter_lines():
                if line.startswith("data: ") and json.loads(line[6:])["topic"] in (topic, "hello", "reset"):
                    yield
    except httpx2.HTTPError:
        _no_server(address)


def _server() -> tuple[str, dict[str, str]]:
    """(address, headers) for asking the server on this machine."""
    found = load_or_exit()
    host, port = found.listen
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    try:
        token = AdminToken(found.data_dir, found.admin_token).value()
    except OSError:
        fail(f"there is no admin token in {found.data_dir}", "Start the server once, or set BETTER_PAAS_DATA_DIR.")
    return f"http://{host}:{port}", {"Authorization": f"Bearer {token}", "X-Better-PaaS-Client": "cli"}


def _no_server(address: str) -> NoReturn:
    fail(f"no server answers at {address.removeprefix('http://')}", "Start it with './run' or 'better-paas serve'.")


def read_state(unit: Callable[[Session], T], info: dict[str, Any] | None = None) -> T:
    """The result of `unit` on the state as it is on disk, read-only: the server may run or not."""
    engine = state_engine()
    try:
        with Session(engine, info=dict(info or {})) as session:
            return unit(session)
    except DatabaseError as error:
        fail(
            f"the state can't be read: {str(error.orig).strip()}", "'better-paas db check' says what is wrong with it."
        )
    finally:
        engine.dispose()


def state_engine() -> Engine:
    """For reading the state, which the server may use meanwhile."""
    found = load_or_exit()
    if found.database_url:
        from better_paas.db import postgres

        return postgres.reader(found.database_url)
    from better_paas.db import sqlite

    return sqlite.reader(state_file())


def state_file() -> Path:
    """The file in which SQLite keeps the state."""
    from better_paas.db.sqlite import FILE_NAME

    path = load_or_exit().data_dir / FILE_NAME
    if not path.exists():
        fail(f"there is no database in {path.parent}", "Set BETTER_PAAS_DATA_DIR to the folder that the server uses.")
    return path
