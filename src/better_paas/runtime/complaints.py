"""What package managers and compilers say when they fail: the line of their output that names the cause. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Complaint:
    """pattern: of a line that names the cause. is_last: the last such line does, not the first. is_before: the line
    behind it does."""

    pattern: re.Pattern[str]
    is_last: bool = False
    is_before: bool = False


def _says(*alternatives: str, is_last: bool = False, is_before: bool = False) -> Complaint:
    return Complaint(re.compile("|".join(f"(?:{each})" for each in alternatives)), is_last, is_before)


# In this order: what stands further down is also said around what stands further up.
_COMPLAINTS: Sequence[Complaint] = (
    # What ends any program, whatever else it and those around it say
    _says(
        r"JavaScript heap out of memory",
        r"Permission denied \(publickey",
        r"Host key verification failed",
    ),
    # npm
    _says(
        r"^npm (?:ERR!|error) (?:code )?(?:404) {1,4}'",
        r"^npm (?:ERR!|error) notarget No matching",
        r"^npm (?:ERR!|error) ERESOLVE (?:unable|could not)",
        r"^npm (?:ERR!|error) `npm ci` can only",
        r"^npm (?:ERR!|error) Missing script:",
        r"^npm (?:ERR!|error) (?:Invalid|Unsupported) ",
        r"^npm (?:ERR!|error) (?:engine|notsup) Unsupported engine",
    ),
    # pnpm, yarn, bun
    _says(
        r"ERR_PNPM_(?!RECURSIVE_RUN|LIFECYCLE)\w+\s",
        r"^error Couldn't find (?:package|any versions)",
        r"^error Your lockfile needs to be updated",
        r"^error \S{1,200}: The engine ",
        r"YN\d{4}: .*: Package not found",
        r"YN\d{4}: .*The lockfile would have been",
        r"^error: (?:No version matching|lockfile had changes|package \"|GET http)",
    ),
    # uv, poetry, pipenv
    _says(
        r"╰─▶ ",
        r"^error: The lockfile at ",
        r"^Because .*(?:version solving failed|depends on)",
        r"pyproject\.toml changed significantly",
        r"Pipfile\.lock \(\w{1,80}\) (?:is )?out of date",
    ),
    # What compiling a Python package lacks, then pip itself
    _says(
        r"fatal error: \S+: No such file",
        r"^\s*Error: pg_config executable not found",
        r"Can not find valid pkg-config name",
        r"error: command '[^']*' failed: No such file",
        r"^ERROR: Dependency lookup for \S+ with method",
    ),
    _says(
        r"^ERROR: Could not find a version that satisfies",
        r"^ERROR: No matching distribution",
        r"^ERROR: Cannot install ",
        r"^ERROR: Could not open requirements file",
    ),
    # Compilers: the first mistake, since others follow from it. What is but a name, as subprocess-exited-with-error,
    # is pip's heading of what it quotes.
    _says(
        r"^error(?:\[E\d{4}\])?: (?!could not compile|aborting|failed to run custom build|process didn|[a-z-]{1,80}$)",
        r"\.go:\d{1,7}:\d{1,5}: ",
        r"^go: .*(?:not found|unknown revision|invalid|requires|no matching|missing)",
        r"no required module provides package",
        r"error TS\d{4,5}: ",
        r"\.java:\[\d{1,7},",
        r"\.java:\d{1,7}: error:",
        r": error (?:CS|NU|MSB)\d{4}:",
        r"^\*\* \((?:CompileError|Mix|SyntaxError)",
        r"^\s*error: undefined (?:function|variable)",
    ),
    _says(
        r"^\[ERROR\] (?:Failed to execute goal|Non-resolvable|The project)",
        r"^> (?:Could not (?:resolve (?!all )|find)|Compilation failed)",
        r"^> (?:Cannot find a Java installation|No matching toolchains found)",
    ),
    _says(r"^> Could not resolve all "),
    # Bundlers of web pages
    _says(
        r"Rollup failed to resolve import",
        r"Could not resolve [\"'][^\"']{1,200}[\"']",
        r"Module not found: ",
        r"^Type error: ",
        r"^Error: Cannot find (?:module|package) ",
        r"Failed to resolve entry",
        r"[\"'] is not exported by ",
        r"^\d{1,6}:\d{1,5} [Ee]rror:? ",
        r"sh: (?:\d{1,3}: )?\S{1,60}: not found",
    ),
    _says(r"^Failed to compile"),
    # composer, bundler, rake, mix
    _says(
        r"^\s*- Root composer\.json requires ",
        r"^\s*- \S+ \S+ requires (?:ext-|php )",
        r"^\s*- Required (?:\(in require-dev\) )?package ",
    ),
    _says(
        r"Your lock file does not contain a compatible set",
        r"^Your bundle only supports platforms ",
        r"^Don't know how to build task ",
        r"^Could not find (?:gem|compatible versions)",
        r"^Your Ruby version is ",
        r"^Could not find \S+ in (?:locally|any of)",
        r"^An error occurred while installing ",
        r"^Unchecked dependencies for environment",
    ),
    # The engine's own
    _says(
        r"failed to compute cache key: .*not found",
        r"COPY failed: ",
        r"pull access denied",
        r"manifest unknown",
        r"no such file or directory$",
    ),
    # What a program ended with: Rust says the place first
    _says(r"^thread '[^']{0,100}' (?:\(\d{1,10}\) )?panicked at [^'\s]{1,200}:$", is_before=True),
    _says(r"^(?:\w{1,60}\.){0,6}\w{0,60}(?:Error|Exception)(?:$|: )", is_last=True),
)
_NO_NETWORK = re.compile(
    r"Temporary failure in name resolution|getaddrinfo|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET"
    r"|Could not resolve host|Network is unreachable|Failed to establish a new connection|Connection timed out"
    r"|no such host|dial tcp |Unknown host|Could not connect to|lookup address information"
)


def cause_of(lines: Sequence[str]) -> str:
    """The line that names the cause; empty if none is known to."""
    for complaint in _COMPLAINTS:
        found = [place for place, line in enumerate(lines) if complaint.pattern.search(line)]
        if found:
            place = found[-1 if complaint.is_last else 0] + complaint.is_before
            return lines[min(place, len(lines) - 1)]
    return ""


def unreachable(lines: Sequence[str]) -> str:
    """The line that says that a server can't be reached, and most of it; empty if none does."""
    return max((line for line in lines if _NO_NETWORK.search(line)), key=len, default="")
