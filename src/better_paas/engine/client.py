"""The engine's API in the words of this product. Every call goes through `Engine`; nothing else knows the protocol."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import IO, Any

import httpx2

from better_paas.kit.lines import TOO_LONG, LineBuffer

_DEFAULT_HOST = "unix:///var/run/docker.sock"
_UNIX = "unix://"
_CALL_SECONDS = 60
_PIECE_BYTES = 256 * 1024
_TIMEOUT = httpx2.Timeout(None, connect=10)


class EngineFailed(Exception):
    """The engine refused a call or does not answer. status: its HTTP status, 900 if it can't be reached.

    hint: what to do, where that is known here.
    """

    def __init__(self, message: str, status: int = 900, hint: str = "") -> None:
        super().__init__(message)
        self.status, self.hint = status, hint


@dataclass(frozen=True)
class Container:
    """What the engine says of a container. networks: ids by name; "" for one that it was not on yet."""

    id: str
    name: str
    labels: dict[str, str]
    running: bool
    status: str
    exit_code: int
    out_of_memory: bool
    restarts: int = 0
    networks: dict[str, str] = field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        """Whether its processes run, or will by themselves in a moment."""
        return self.status in ("running", "restarting", "paused")


@dataclass(frozen=True)
class Network:
    """ranges: of its addresses. created: a text that sorts by time. used: containers that are up on it, if known."""

    id: str
    name: str
    ranges: tuple[IPv4Network | IPv6Network, ...]
    created: str
    used: int = 0
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def subnets(self) -> tuple[IPv4Network, ...]:
        return tuple(found for found in self.ranges if isinstance(found, IPv4Network))

    @property
    def room(self) -> int:
        """For how many containers there are addresses: three of each range are its own."""
        return sum(subnet.num_addresses - 3 for subnet in self.subnets)


@dataclass(frozen=True)
class Image:
    id: str
    tags: list[str]
    labels: dict[str, str]
    created: int
    size: int


class Engine:
    """One Docker engine, asked in the newest version of the API that it knows."""

    def __init__(self, host: str | None = None) -> None:
        """host: unix:///path or tcp://host:port."""
        self.host = host or _DEFAULT_HOST
        self._client: httpx2.AsyncClient | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def version(self) -> str:
        """The engine's version. Errors: EngineFailed if it does not answer."""
        return str((await self._json("GET", "version"))["Version"])

    async def major_version(self) -> int:
        """23 of `23.0.5`; 0 if it is written otherwise. Errors: EngineFailed."""
        first = (await self.version()).partition(".")[0]
        return int(first) if first.isdecimal() else 0

    async def _json(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        timeout: float = _CALL_SECONDS,
    ) -> Any:
        """One call; what its JSON says, None without one. timeout: seconds. Errors: EngineFailed."""
        try:
            async with asyncio.timeout(timeout), self._answer(method, path, params, json=body) as response:
                content = await response.aread()
        except TimeoutError as error:
            raise EngineFailed("the engine does not answer: it takes too long") from error
        return json.loads(content) if content else None

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, archive: IO[bytes] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """One call with an endless answer, piece by piece. archive: a tar file to send.

        Leaving the block closes the connection, which ends the work there. Errors: EngineFailed.
        """
        content = None if archive is None else _pieces(archive)
        headers = {} if archive is None else {"Content-Type": "application/x-tar"}
        async with self._answer(method, path, params, content=content, headers=headers) as response:
            yield response.aiter_raw()

    @contextlib.asynccontextmanager
    async def _answer(
        self, method: str, path: str, params: Mapping[str, Any] | None, **sent: Any
    ) -> AsyncIterator[httpx2.Response]:
        reached = False
        try:
            if self._client is None:
                self._client = _connect(self.host)
            async with self._client.stream(method, path, params=_as_text(params), **sent) as response:
                reached = True
                if response.is_error:
                    raise _refusal(response.status_code, await response.aread())
                yield response
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            how = "the engine's answer broke off" if reached else "the engine does not answer"
            raise EngineFailed(f"{how}: {error or type(error).__name__}") from error

    # Containers

    async def create_container(self, name: str, config: dict[str, Any]) -> str:
        created = await self._json("POST", "containers/create", config, {"name": name})
        return str(created["Id"])

    async def containers(self, *labels: str) -> list[Container]:
        """Containers, stopped ones too, that carry every one of `labels` (`name=value`); without one, everybody's."""
        listed = await self._json("GET", "containers/json", None, {"all": True, "filters": {"label": list(labels)}})
        return [
            Container(
                id=entry["Id"],
                name=entry["Names"][0].lstrip("/"),
                labels=entry["Labels"] or {},
                running=entry["State"] == "running",
                status=entry["State"],
                exit_code=0,
                out_of_memory=False,
                networks=_networks_of(entry),
            )
            for entry in listed
        ]

    async def root_folder(self) -> str:
        """Where the engine keeps everything, on its machine."""
        return str((await self._json("GET", "info"))["DockerRootDir"])

    async def cgroup_driver(self) -> str:
        """Who makes the control groups: cgroupfs (the engine itself), systemd or none. Errors: EngineFailed."""
        return str((await self._json("GET", "info"))["CgroupDriver"])

    async def prune_build_cache(self, most_bytes: int) -> int:
        """Trim the build cache to `most_bytes`, the oldest first; the bytes that went."""
        answer = await self._json("POST", "build/prune", None, {"keep-storage": most_bytes, "all": True})
        return int(answer.get("SpaceReclaimed") or 0)

    async def container(self, container_id: str) -> Container | None:
        """One container, or None if there is no such."""
        try:
            entry = await self._json("GET", f"containers/{container_id}/json")
        except EngineFailed as error:
            if error.status == 404:
                return None
            raise
        state = entry["State"]
        return Container(
            id=entry["Id"],
            name=entry["Name"].lstrip("/"),
            labels=entry["Config"]["Labels"] or {},
            running=state["Running"] and not state["Restarting"],
            status=state["Status"],
            exit_code=state["ExitCode"],
            out_of_memory=state["OOMKilled"],
            restarts=entry.get("RestartCount", 0),
            networks=_networks_of(entry),
        )

    async def inspect_container(self, container_id: str) -> dict[str, Any]:
        """All that the engine knows of a container, in its own words. Errors: EngineFailed."""
        found: dict[str, Any] = await self._json("GET", f"containers/{container_id}/json")
        return found

    async def start_container(self, container_id: str) -> None:
        await self._json("POST", f"containers/{container_id}/start")

    async def wait_container(self, container_id: str) -> int:
        """Return when the container ends: its exit code. Errors: EngineFailed."""
        async with self.stream("POST", f"containers/{container_id}/wait") as pieces:
            return int(json.loads(b"".join([piece async for piece in pieces]))["StatusCode"])

    async def stop_container(self, container_id: str, grace_seconds: int) -> None:
        """SIGTERM, then SIGKILL after the grace. One that is gone or stopped is fine. Errors: EngineFailed."""
        with _absent_is_fine():
            params = {"t": grace_seconds}
            await self._json("POST", f"containers/{container_id}/stop", params=params, timeout=grace_seconds + 30)

    async def remove_container(self, container_id: str) -> None:
        """Remove the container and its unnamed volumes, never a named one. One that is gone, or going, is fine."""
        with _absent_is_fine():
            try:
                await self._json("DELETE", f"containers/{container_id}", None, {"force": True, "v": True})
            except EngineFailed as error:
                if "already in progress" not in str(error):
                    raise

    async def stats(self, container_id: str) -> dict[str, Any]:
        """One measurement, with the one before it. Errors: EngineFailed."""
        found: dict[str, Any] = await self._json("GET", f"containers/{container_id}/stats", params={"stream": "false"})
        return found

    async def set_restart_policy(self, container_id: str, policy: str) -> None:
        await self._json("POST", f"containers/{container_id}/update", {"RestartPolicy": {"Name": policy}})

    async def logs(
        self, container_id: str, *, tail: int, follow: bool = False, since: int = 0
    ) -> AsyncIterator[tuple[str, str]]:
        """Lines of both outputs as (timestamp, text), oldest first. since: seconds of the epoch."""
        params = {"stdout": 1, "stderr": 1, "tail": tail, "follow": int(follow), "timestamps": 1, "since": since}
        pending: dict[int, LineBuffer] = {}
        async with self.stream("GET", f"containers/{container_id}/logs", params=params) as pieces:
            # A connection that breaks ends the log as its end does.
            with contextlib.suppress(httpx2.HTTPError):
                async for output, data in _frames(pieces):
                    buffer = pending.setdefault(output, LineBuffer())
                    if not buffer.is_empty:
                        # The engine cuts long lines and stamps each piece: only put together is a secret in it seen.
                        data = data.partition(b" ")[2]
                    for line in buffer.feed(data):
                        yield _log_line(line)
        for buffer in pending.values():
            for line in buffer.flush():
                yield _log_line(line)

    async def events(self, label: str) -> AsyncIterator[dict[str, Any]]:
        """Container events of our own containers, as they happen."""
        filters = {"type": ["container"], "event": ["die", "start", "oom"], "label": [label]}
        async with self.stream("GET", "events", params={"filters": filters}) as pieces:
            async for line in whole_lines(pieces):
                yield json.loads(line)

    # Networks and volumes

    async def networks(self, *labels: str) -> list[Network]:
        """Networks that carry every one of `labels` (`name=value`); without one, everybody's."""
        return [
            _network(found) for found in await self._json("GET", "networks", None, {"filters": {"label": list(labels)}})
        ]

    async def network_events(self) -> AsyncIterator[None]:
        """One for each network that is made or removed, until the engine ends. Errors: EngineFailed."""
        filters = {"type": ["network"], "event": ["create", "destroy"]}
        async with self.stream("GET", "events", params={"filters": filters}) as pieces:
            async for _ in whole_lines(pieces):
                yield None

    async def network(self, network_id: str) -> Network:
        """One network, with the number of containers that are up on it. Errors: EngineFailed."""
        return _network(await self._json("GET", f"networks/{network_id}"))

    async def create_network(self, name: str, labels: dict[str, str], subnet: IPv4Network) -> str:
        """A bridge network; its id. Errors: EngineFailed, 409 if the name is taken, 403 if the subnet is."""
        config = {
            "Name": name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Labels": labels,
            "IPAM": {"Config": [{"Subnet": str(subnet)}]},
        }
        return str((await self._json("POST", "networks/create", config))["Id"])

    async def remove_network(self, network_id: str) -> None:
        """Errors: EngineFailed, 403 while a container is up on it."""
        with _absent_is_fine():
            await self._json("DELETE", f"networks/{network_id}")

    async def connect(self, network_id: str, container_id: str, alias: str, hardware: str = "") -> None:
        """Put a container on one more network, where others find it by `alias`. It goes on meanwhile.

        hardware: the address that it is to have there, as far as the engine heeds that (25 and newer).
        """
        config = {"Aliases": [alias], **({"MacAddress": hardware} if hardware else {})}
        body = {"Container": container_id, "EndpointConfig": config}
        await self._json("POST", f"networks/{network_id}/connect", body)

    async def disconnect(self, network: str, container_id: str) -> None:
        """Take a container that is down off a network, by its name; one that is not on it is fine, or no network."""
        with contextlib.suppress(EngineFailed):
            await self._json("POST", f"networks/{network}/disconnect", {"Container": container_id})

    async def volume_sizes(self) -> dict[str, int]:
        """Bytes by volume; the engine measures them all now. Errors: EngineFailed."""
        answer = await self._json("GET", "system/df", params={"type": "volume"})
        found = {volume["Name"]: (volume.get("UsageData") or {}).get("Size", -1) for volume in answer["Volumes"] or []}
        return {name: size for name, size in found.items() if size >= 0}

    async def volumes(self) -> dict[str, dict[str, str]]:
        """The labels of all volumes, by name."""
        answer = await self._json("GET", "volumes")
        return {volume["Name"]: volume["Labels"] or {} for volume in answer["Volumes"] or []}

    async def has_volume(self, name: str) -> bool:
        try:
            await self._json("GET", f"volumes/{name}")
        except EngineFailed as error:
            if error.status == 404:
                return False
            raise
        return True

    async def remove_volume(self, name: str) -> None:
        """Delete a volume; one that is gone is fine. Errors: EngineFailed, 409 while a container uses it."""
        with _absent_is_fine():
            await self._json("DELETE", f"volumes/{name}")

    async def ensure_volume(self, name: str, labels: dict[str, str]) -> None:
        """Create the volume unless it is there; the engine itself sees to it that two at once make one."""
        await self._json("POST", "volumes/create", {"Name": name, "Labels": labels})

    # Images

    async def image(self, reference: str) -> dict[str, Any] | None:
        """What the engine says of an image that it has, or None."""
        try:
            found: dict[str, Any] = await self._json("GET", f"images/{reference}/json")
        except EngineFailed as error:
            if error.status == 404:
                return None
            raise
        return found

    async def images(self, *labels: str) -> list[Image]:
        listed = await self._json("GET", "images/json", None, {"filters": {"label": list(labels)}})
        return [
            Image(entry["Id"], entry["RepoTags"] or [], entry["Labels"] or {}, entry["Created"], entry["Size"])
            for entry in listed
        ]

    async def remove_image(self, reference: str) -> None:
        """Take the tag away; one that is gone or still in use is fine."""
        with _absent_is_fine():
            try:
                await self._json("DELETE", f"images/{reference}")
            except EngineFailed as error:
                if error.status != 409:
                    raise

    async def pull(self, reference: str, timeout: float) -> None:
        """Bring an image from its registry. Errors: EngineFailed with the registry's words."""
        name, _, tag = reference.partition("@")
        if not tag:
            # A colon before the last slash belongs to the registry's port.
            folder, slash, last = name.rpartition("/")
            last, _, tag = last.partition(":")
            name = f"{folder}{slash}{last}"
        try:
            async with asyncio.timeout(timeout):
                params = {"fromImage": name, "tag": tag or "latest"}
                async with self.stream("POST", "images/create", params=params) as pieces:
                    async for line in whole_lines(pieces):
                        if "error" in (message := json.loads(line)):
                            raise EngineFailed(str(message["error"]), 502)
        except TimeoutError as error:
            raise EngineFailed(f"pulling {reference} took longer than {timeout:.0f} s", 504) from error

    async def import_image(self, archive: IO[bytes] | Path, repository: str, tag: str, changes: list[str]) -> None:
        """Make an image of a root file system's tar archive."""
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(archive.open("rb")) if isinstance(archive, Path) else archive
            params = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": "\n".join(changes)}
            async with self.stream("POST", "images/create", params=params, archive=source) as pieces:
                async for line in whole_lines(pieces):
                    if "error" in (message := json.loads(line)):
                        raise EngineFailed(str(message["error"]))


def _network(found: dict[str, Any]) -> Network:
    ranges = [
        ip_network(config["Subnet"], strict=False)
        for config in (found.get("IPAM") or {}).get("Config") or []
        if config.get("Subnet")
    ]
    return Network(
        id=found["Id"],
        name=found["Name"],
        ranges=tuple(ranges),
        created=found.get("Created") or "",
        used=len(found.get("Containers") or ()),
        labels=found.get("Labels") or {},
    )


def _networks_of(entry: dict[str, Any]) -> dict[str, str]:
    found = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    return {name: (details or {}).get("NetworkID") or "" for name, details in found.items()}


async def whole_lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of any length that say something."""
    pending = b""
    async for piece in pieces:
        *lines, pending = (pending + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
    if pending.strip():
        yield pending


async def _frames(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    """(output, data) of a stream that carries both outputs: each frame has a header of eight bytes."""
    pending = bytearray()
    async for piece in pieces:
        pending += piece
        while len(pending) >= 8 and len(pending) >= (end := 8 + int.from_bytes(pending[4:8], "big")):
            yield pending[0], bytes(pending[8:end])
            del pending[:end]


async def _pieces(archive: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(archive.read, _PIECE_BYTES):
        yield piece


def _connect(host: str) -> httpx2.AsyncClient:
    # Streams stay open as long as their containers run: as many as there are.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=10, keepalive_expiry=30)
    headers = {"Accept-Encoding": "identity"}
    if host.startswith(_UNIX):
        transport = httpx2.AsyncHTTPTransport(uds=host.removeprefix(_UNIX), verify=False, limits=limits)
        return httpx2.AsyncClient(transport=transport, base_url="http://engine/", timeout=_TIMEOUT, headers=headers)
    address = host.replace("tcp://", "http://", 1)
    return httpx2.AsyncClient(base_url=address, timeout=_TIMEOUT, headers=headers, limits=limits, trust_env=False)


@contextlib.contextmanager
def _absent_is_fine() -> Iterator[None]:
    try:
        yield
    except EngineFailed as error:
        if error.status != 404:
            raise


def _refusal(status: int, content: bytes) -> EngineFailed:
    try:
        message = json.loads(content)["message"]
    except (ValueError, KeyError, TypeError):
        message = content.decode(errors="replace").strip() or f"the engine answers with {status}"
    return EngineFailed(str(message), status)


def _log_line(line: bytes) -> tuple[str, str]:
    text = line.decode(errors="replace").rstrip("\r")
    if line == TOO_LONG:
        return "", text
    timestamp, _, text = text.partition(" ")
    return timestamp, text


def _as_text(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Query values as the API wants them: JSON for filters, 1 and 0 for truth values."""
    if params is None:
        return None
    result: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, bool):
            result[name] = str(int(value))
        elif isinstance(value, dict):
            result[name] = json.dumps(value)
        elif isinstance(value, list):
            result[name] = value
        else:
            result[name] = str(value)
    return result
