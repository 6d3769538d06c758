"""The rules of each field that people and machines fill in. All free text passes here before it goes anywhere."""

import os
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from better_paas.builders import procfile
from better_paas.builders.faults import MOST_PACKAGES, PACKAGE, are_statuses, is_health_path
from better_paas.builders.plan import NoPlan
from better_paas.domains.hosts import check_label
from better_paas.errors import Invalid
from better_paas.firewall.rules import Opening
from better_paas.git.source import SourceRefused, check_ref, parse_address
from better_paas.kit.memory import host_memory
from better_paas.kit.schema import TRIMMED
from better_paas.runtime.protocol import Volume, memory_bytes

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,38}[a-z0-9]")
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_MEMORY = re.compile(r"[1-9][0-9]{0,11}[bkmgBKMG]?")
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}")
_CONTAINER_PATH = re.compile(r"(?>/[A-Za-z0-9._-]++)++")
_PATH = re.compile(r"[A-Za-z0-9._@+-]++(?>/[A-Za-z0-9._@+-]++)*+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_MOST_VARIABLES, _LARGEST_VALUE, _LARGEST_ENVIRONMENT = 500, 32 * 1024, 256 * 1024
_SMALLEST_MEMORY = 6 * 2**20
_LONGEST_COMMAND = 4000
SAMPLES = ("hello-python", "hello-node", "hello-static")


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be 2 to 40 of a-z, 0-9 and '-', and not begin or end with '-'")
    try:
        check_label(value)  # it is part of the app's default host
    except Invalid as error:
        raise ValueError(error.error) from None
    return value


def check_repository(value: str) -> str:
    """A Git address, `sample:<name>`, or an app's own `upload://<id>`."""
    if re.fullmatch(r"upload://[a-z0-9]{1,40}", value):
        return value
    if value.startswith("sample:"):
        if value.removeprefix("sample:") not in SAMPLES:
            raise ValueError(f"there is no such sample; there are {', '.join(f'sample:{name}' for name in SAMPLES)}")
        return value
    try:
        parse_address(value)
    except SourceRefused as error:
        raise ValueError(str(error)) from None
    return value


def _check_ref(value: str) -> str:
    try:
        return check_ref(value) if value else ""
    except SourceRefused as error:
        raise ValueError(str(error)) from None


def _check_path(value: str) -> str:
    value = value.strip("/").removeprefix("./")
    if value in ("", "."):
        return ""
    if not _PATH.fullmatch(value) or ".." in value.split("/") or len(value) > 300:
        raise ValueError("must be a path inside the repository, without '..'")
    return value


def _check_command(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must be one line without control characters")
    return value if value.strip() else ""


def _check_health_path(value: str) -> str:
    if value and not is_health_path(value):
        raise ValueError("must begin with '/' and be a plain URL path")
    return value


def _check_health_status(value: str) -> str:
    if value and not are_statuses(value):
        raise ValueError("must be statuses or ranges of them, such as 200-399,401")
    return value


def _check_memory(value: str) -> str:
    if not value:
        return ""
    if not _MEMORY.fullmatch(value):
        raise ValueError("must be a number with b, k, m or g, such as 512m")
    wanted, there_is = memory_bytes(value), host_memory()
    if wanted < _SMALLEST_MEMORY:
        raise ValueError("must be at least 6m")
    if wanted > there_is:
        raise ValueError(f"is more than the server has, which is {there_is // 2**20}m")
    return value.lower()


def _check_cpus(value: str) -> str:
    if not value:
        return ""
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", value) or float(value) < 0.01:
        raise ValueError("must be a number such as 0.5")
    if float(value) > (there_are := os.cpu_count() or 256):
        raise ValueError(f"is more than the server has, which is {there_are}")
    return value


def _bytes(text: str) -> int:
    """Errors: ValueError for half a character, which no program could be given."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("a value holds half a character (a lone surrogate)") from None


def check_environment(value: dict[str, str]) -> dict[str, str]:
    """Keys are names; values are any text without NUL, within the limits."""
    if len(value) > _MOST_VARIABLES:
        raise ValueError(f"at most {_MOST_VARIABLES} variables")
    for key, text in value.items():
        if not _ENV_KEY.fullmatch(key):
            raise ValueError(f"'{key[:40]}' is not a variable name: use letters, digits and '_'")
        if "\x00" in text or _bytes(text) > _LARGEST_VALUE:
            raise ValueError(f"the value of {key} must be at most 32 KiB without NUL characters")
    if sum(len(key) + _bytes(text) for key, text in value.items()) > _LARGEST_ENVIRONMENT:
        raise ValueError("all variables together must be at most 256 KiB")
    return value


def parse_volume(text: str) -> Volume:
    """`name:/path`, with `:ro` or `:shared` behind it. Errors: ValueError."""
    name, _, rest = text.partition(":")
    path, _, mode = rest.partition(":")
    if name.startswith(("/", ".", "~")):
        raise ValueError("host paths can't be mounted; use a named volume such as data:/app/data")
    path_is_wrong = not _CONTAINER_PATH.fullmatch(path) or ".." in path.split("/") or len(path) > 300
    if not _VOLUME_NAME.fullmatch(name) or path_is_wrong or mode not in ("", "ro", "rw", "shared"):
        raise ValueError(f"'{text[:80]}' is not a volume: use name:/absolute/path, with :ro or :shared behind it")
    return Volume(name, path, mode == "ro", mode == "shared")


def _check_volumes(value: list[str]) -> list[str]:
    paths = [parse_volume(text).path for text in value]
    if len(set(paths)) != len(paths):
        raise ValueError("two volumes have the same path")
    return value


def _check_processes(value: dict[str, str]) -> dict[str, str]:
    try:
        procfile.check_names(value)
    except NoPlan as error:
        raise ValueError(str(error)) from None
    for name, command in value.items():
        if len(command) > _LONGEST_COMMAND:
            raise ValueError(f"the command of {name} must be at most {_LONGEST_COMMAND} characters")
        _check_command(command)
    return value


def _check_reach(value: list[str]) -> list[str]:
    return list(dict.fromkeys(str(Opening.parse(text.strip())) for text in value))


def _check_token(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not hold NUL characters")
    if "PRIVATE KEY" in value:
        return value
    value = value.strip("\r\n")  # it was pasted with the end of its line
    if "\n" in value or "\r" in value:
        raise ValueError("must be one line, or a private key")
    return value


Name = Annotated[str, TRIMMED, Field(max_length=200), AfterValidator(_check_name)]
Repository = Annotated[str, TRIMMED, Field(min_length=1, max_length=600), AfterValidator(check_repository)]
Ref = Annotated[str, TRIMMED, Field(max_length=200), AfterValidator(_check_ref)]
TreePath = Annotated[str, TRIMMED, Field(max_length=300), AfterValidator(_check_path)]
Command = Annotated[str, Field(max_length=_LONGEST_COMMAND), AfterValidator(_check_command)]
Processes = Annotated[dict[str, str], AfterValidator(_check_processes)]
WatchMinutes = Annotated[int, Field(ge=0, le=24 * 60)]
HealthPath = Annotated[str, TRIMMED, Field(max_length=300), AfterValidator(_check_health_path)]
HealthStatus = Annotated[str, TRIMMED, Field(max_length=100), AfterValidator(_check_health_status)]
Packages = Annotated[list[Annotated[str, TRIMMED, Field(pattern=f"^{PACKAGE}$")]], Field(max_length=MOST_PACKAGES)]
RuntimeVersion = Annotated[str, TRIMMED, Field(pattern=r"^(\d{1,4}(\.\d{1,4}){0,2})?$")]
Memory = Annotated[str, TRIMMED, Field(max_length=20), AfterValidator(_check_memory)]
Cpus = Annotated[str, TRIMMED, Field(max_length=10), AfterValidator(_check_cpus)]
Environment = Annotated[dict[str, str], AfterValidator(check_environment)]
Volumes = Annotated[list[str], Field(max_length=20), AfterValidator(_check_volumes)]
Reach = Annotated[list[str], Field(max_length=20), AfterValidator(_check_reach)]
Token = Annotated[str, Field(max_length=16 * 1024), AfterValidator(_check_token)]
Port = Annotated[int, Field(ge=1, le=65535)]
EnvKey = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
Domain = Annotated[str, TRIMMED, Field(min_length=1, max_length=300)]
