"""The engine's API in the words of this product. Every call goes through `Engine`; nothing else knows aiodocker."""

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import aiohttp
from aiodocker import Docker, DockerError

from better_paas.kit.lines import TOO_LONG, LineBuffer

_DEFAULT_HOST = "unix:///var/run/docker.sock"
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_read=None)
_NETWORK_ATTEMPTS = 8
_CALL_TIMEOUT = aiohttp.ClientTimeout(total=60)


class EngineFailed(Exception):
    """The engine refused a call or does not answer. status: its HTTP status, 900 if it can't be reached."""

    def __init__(self, message: str, status: int = 900) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Container:
    """What the engine says of a container."""

    id: str
    name: str
    labels: dict[str, str]
    running: bool
    status: str
    exit_code: int
    out_of_memory: bool
    restarts: int = 0


@dataclass(frozen=True)
class Image:
    id: str
    tags: list[str]
    labels: dict[str, str]
    created: int
    size: int


class Engine:
    """One Docker engine. The API version is negotiated, never pinned."""

    def __init__(self, host: str | None = None) -> None:
        self.host = host or _DEFAULT_HOST
        self._docker: Docker | None = None

    async def close(self) -> None:
        if self._docker is not None:
            await self._docker.close()
            self._docker = None

    async def version(self) -> str:
        """The engine's version. Errors: EngineFailed if it does not answer."""
        return str((await self._json("GET", "version"))["Version"])

    async def json(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """One call with a JSON answer. Errors: EngineFailed."""
        return await self._json(method, path, body, params)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """One call with an endless answer. Leaving the block closes the connection, which ends the work there."""
        try:
            async with self._client()._query(
                path, method, data=body, params=_as_text(params), headers=headers, timeout=_NO_TIMEOUT
            ) as response:
                try:
                    yield response.content
                finally:
                    response.close()
        except DockerError as error:
            raise _failed(error) from error
        except aiohttp.ClientError as error:
            raise EngineFailed(f"the engine's answer broke off: {error}") from error

    def _client(self) -> Docker:
        if self._docker is None:
            self._docker = Docker(url=self.host)
        return self._docker

    async def _json(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        try:
            return await self._client()._query_json(
                path, method, data=body, params=_as_text(params), timeout=_CALL_TIMEOUT
            )
        except DockerError as error:
            raise _failed(error) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EngineFailed(f"the engine does not answer: {error or 'it takes too long'}") from error

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
            )
            for entry in listed
        ]

    async def root_folder(self) -> str:
        """Where the engine keeps everything, on its machine."""
        return str((await self._json("GET", "info"))["DockerRootDir"])

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
        )

    async def start_container(self, container_id: str) -> None:
        await self._json("POST", f"containers/{container_id}/start")

    async def wait_container(self, container_id: str) -> int:
        """Return when the container ends: its exit code. Errors: EngineFailed."""
        async with self.stream("POST", f"containers/{container_id}/wait") as content:
            return int(json.loads(await content.read())["StatusCode"])

    async def stop_container(self, container_id: str, grace_seconds: int) -> None:
        """SIGTERM, then SIGKILL after the grace. One that is gone or stopped is fine. Errors: EngineFailed."""
        with _absent_is_fine():
            try:
                async with asyncio.timeout(grace_seconds + 30):
                    async with self._client()._query(
                        f"containers/{container_id}/stop", "POST", params={"t": str(grace_seconds)}, timeout=_NO_TIMEOUT
                    ):
                        pass
            except DockerError as error:
                raise _failed(error) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                raise EngineFailed(f"the engine did not stop a container: {error or 'it takes too long'}") from error

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
        async with self.stream("GET", f"containers/{container_id}/logs", params=params) as content:
            while True:
                try:
                    header = await content.readexactly(8)
                    data = await content.readexactly(int.from_bytes(header[4:], "big"))
                except (asyncio.IncompleteReadError, aiohttp.ClientError):
                    break
                buffer = pending.setdefault(header[0], LineBuffer())
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
        async with self.stream("GET", "events", params={"filters": filters}) as content:
            async for line in whole_lines(content):
                yield json.loads(line)

    # Networks and volumes

    async def ensure_network(self, name: str, labels: dict[str, str], pool: str) -> None:
        """A bridge network on a /26 of its own out of `pool`: the engine's own pools end after thirty networks."""
        for _ in range(_NETWORK_ATTEMPTS):
            found = await self._json("GET", "networks")
            if any(network["Name"] == name for network in found):
                return
            config = {
                "Name": name,
                "Driver": "bridge",
                "CheckDuplicate": True,
                "Labels": labels,
                "IPAM": {"Config": [{"Subnet": _free_subnet(pool, found)}]},
            }
            try:
                await self._json("POST", "networks/create", config)
                return
            except EngineFailed as error:
                # Another one took the name or the subnet meanwhile: look again.
                if error.status != 409 and "overlap" not in str(error):
                    raise
        raise EngineFailed("no network could be made: others take every subnet", 409)

    async def remove_network(self, name: str) -> None:
        with _absent_is_fine():
            await self._json("DELETE", f"networks/{name}")

    async def volume_sizes(self) -> dict[str, int]:
        """Bytes by volume; the engine measures them all now. Errors: EngineFailed."""
        answer = await self._json("GET", "system/df", params={"type": "volume"})
        found = {volume["Name"]: (volume.get("UsageData") or {}).get("Size", -1) for volume in answer["Volumes"] or []}
        return {name: size for name, size in found.items() if size >= 0}

    async def volumes(self, label: str) -> list[str]:
        """Names of the volumes that carry `label`."""
        answer = await self._json("GET", "volumes", params={"filters": {"label": [label]}})
        return [volume["Name"] for volume in answer["Volumes"] or []]

    async def remove_volume(self, name: str) -> None:
        """Delete a volume; one that is gone is fine. Errors: EngineFailed, 409 while a container uses it."""
        with _absent_is_fine():
            await self._json("DELETE", f"volumes/{name}")

    async def ensure_volume(self, name: str, labels: dict[str, str]) -> None:
        """Create the volume unless it is there; creating one that exists changes nothing."""
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
        name, _, tag = reference.rpartition(":")
        try:
            async with asyncio.timeout(timeout):
                params = {"fromImage": name or reference, "tag": tag if name else "latest"}
                async with self.stream("POST", "images/create", params=params) as content:
                    async for line in whole_lines(content):
                        if "error" in (message := json.loads(line)):
                            raise EngineFailed(str(message["error"]), 502)
        except TimeoutError as error:
            raise EngineFailed(f"pulling {reference} took longer than {timeout:.0f} s", 504) from error

    async def import_image(self, archive: IO[bytes] | Path, repository: str, tag: str, changes: list[str]) -> None:
        """Make an image of a root file system's tar archive."""
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(archive.open("rb")) if isinstance(archive, Path) else archive
            params = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": "\n".join(changes)}
            headers = {"Content-Type": "application/x-tar"}
            async with self.stream("POST", "images/create", body=source, params=params, headers=headers) as content:
                async for line in whole_lines(content):
                    if "error" in (message := json.loads(line)):
                        raise EngineFailed(str(message["error"]))


def _free_subnet(pool: str, networks: list[dict[str, Any]]) -> str:
    """The first /26 of `pool` that no network overlaps. Errors: EngineFailed if there is none."""
    taken = [
        ipaddress.ip_network(config["Subnet"], strict=False)
        for network in networks
        for config in (network.get("IPAM") or {}).get("Config") or []
        if config.get("Subnet")
    ]
    for subnet in ipaddress.ip_network(pool).subnets(new_prefix=26):
        if not any(other.version == subnet.version and subnet.overlaps(other) for other in taken):
            return str(subnet)
    raise EngineFailed(f"every network of APP_NETWORKS ({pool}) is taken", 409)


async def whole_lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length; aiohttp's own reader loses what it has read of one over 64 KiB."""
    pending = b""
    async for chunk in content.iter_any():
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
    if pending.strip():
        yield pending


@contextlib.contextmanager
def _absent_is_fine() -> Any:
    try:
        yield
    except EngineFailed as error:
        if error.status != 404:
            raise


def _failed(error: DockerError) -> EngineFailed:
    return EngineFailed(str(error.message), int(error.status))


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
