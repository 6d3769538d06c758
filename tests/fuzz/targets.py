"""What reads text of strangers, each as a function of bytes that may raise nothing but what the reader declares.

Where a rule says what must come out, the function asserts it. Inputs of several parts have NUL bytes between them, so
that those in `corpus/` can be read and written by hand.
"""

import base64
import contextlib
import functools
import gzip
import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import idna
from pydantic import TypeAdapter, ValidationError

from better_paas.agents import token as agent_token
from better_paas.apps import fields
from better_paas.audit import notes
from better_paas.builders import detect, dockerfile
from better_paas.builders.context import ignore_rule
from better_paas.builders.files import MemoryFiles
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides
from better_paas.cli import dotenv, jsonc
from better_paas.cli.errors import CliError
from better_paas.connect import clients, identity
from better_paas.domains import hosts
from better_paas.engine import trace
from better_paas.errors import Invalid
from better_paas.git import fetch, lfs, source, submodules
from better_paas.git.errors import FetchFailed
from better_paas.kit.lines import LONGEST as LONGEST_LINE
from better_paas.kit.lines import TOO_LONG, LineBuffer
from better_paas.kit.plain import one_line, plain
from better_paas.kit.redact import Redactor
from better_paas.kit.schema import Body
from better_paas.kit.unpack import ArchiveRefused, UnpackLimits, unpack
from better_paas.mcp.untrusted import framed
from better_paas.runtime.cause import Heard
from tests.fuzz import reference

# More than the longest line of a log that is shown.
LONGEST = 96 * 1024


@dataclass(frozen=True)
class Target:
    """words: what its inputs are made of, for the fuzzer to begin with."""

    read: Callable[[bytes], None]
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.read.__name__


TARGETS: dict[str, Target] = {}


def target(
    *words: str, errors: tuple[type[Exception], ...] = (), needs: str = "better_paas"
) -> Callable[[Callable[[bytes], None]], None]:
    """errors: what the readers declare; all others are faults. needs: a module without which there is no target."""

    def add(function: Callable[[bytes], None]) -> None:
        @functools.wraps(function)
        def read(data: bytes) -> None:
            with contextlib.suppress(*errors):
                function(data)

        if find_spec(needs) is not None:
            TARGETS[function.__name__] = Target(read, words)

    return add


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _parts(data: bytes) -> list[str]:
    return _text(data).split("\0")


# Sources


@target(
    *(
        "FROM ",
        " AS ",
        "RUN ",
        "COPY ",
        "ADD ",
        "ARG ",
        "ENV ",
        "ONBUILD ",
        "--mount=type=cache,",
        "--from=",
        "<<EOF\n",
    ),
    *("\nEOF\n", "\\\n", "# escape=`\n", "# syntax=", "${x:-", "}", '["', '"]', "better-paas/app-", "`\n", "<<-'E'\n"),
    errors=(NoPlan,),
    needs="better_paas.builders.own",
)
def own_dockerfile(data: bytes) -> None:
    from better_paas.builders import instructions, own

    found = own.read(_text(data))
    again = own.read(found.text)
    assert again.text == found.text, "what is built reads otherwise the second time"
    assert {image.reference for image in again.images} == {image.reference for image in found.images}
    assert not any(re.search("(?:^|/)better-paas/app-", image.reference.lower()) for image in found.images)
    trusting = dockerfile.with_build_ca(found.text, "trust:1")
    assert {image.reference for image in own.read(trusting).images} - {"trust:1"} <= {
        image.reference for image in found.images
    }
    instructions.parse(dockerfile.without_mounts(found.text))


@target("**/", "*", "?", "[a-c]", "[^a]", "!", "#", "\n", "\\", ".git", "node_modules", "./", errors=(NoPlan,))
def ignore_rules(data: bytes) -> None:
    """Rules, then paths."""
    rules, *paths = _parts(data)
    ignored = ignore_rule(rules)
    lines = [line.strip() for line in rules.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    lines = [".git", "**/node_modules", "**/.venv", "**/__pycache__", *lines]
    for path in paths[:20]:
        answer = ignored(path)
        if len(rules) < 300 and len(path) < 60 and not path.startswith("/") and "//" not in path:
            expected = reference.ignored(lines, path)
            assert expected is None or answer is expected, (rules, path, answer)


@target(
    *("\0Procfile\0web: ", "\0package.json\0{", "\0pyproject.toml\0", "\0requirements.txt\0", "\0go.mod\0module x\n"),
    *("\0Cargo.toml\0[package]\nname=", "\0composer.json\0{", "\0Gemfile\0gem ", "\0pom.xml\0", "\0mix.exs\0"),
    *("\0build.gradle\0", "\0deno.json\0{", "\0app.csproj\0", "\0index.html\0", "\0main.py\0", "\0yarn.lock\0"),
    *("\0pnpm-lock.yaml\0", "\0bun.lock\0", "\0manage.py\0", "\0config.ru\0", '"scripts":{', '"dependencies":{'),
    *(
        '"engines":{"node":"',
        "[project]\n",
        "dependencies = [",
        "[tool.poetry]\n",
        "replace a => ./b\n",
        "\0Dockerfile\0",
        '"workspaces":["apps/*"]',
        "[tool.uv.workspace]\nmembers=['apps/*']\n",
        "\0better-paas.toml\0",
        "[build]\noutput='",
        "\0render.yaml\0services:\n- type: web\n",
        "\0apps/a/package.json\0",
    ),
    errors=(NoPlan,),
)
def plans(data: bytes) -> None:
    """Names and contents of files, alternately; of a source with a folder apps/a the app is that."""
    parts = _parts(data.removeprefix(b"\0"))
    files = dict(zip(parts[::2], parts[1::2], strict=False))
    folder = "apps/a" if any(name.startswith("apps/a/") for name in files) else ""
    plan = detect.detect(MemoryFiles(files), Overrides(), folder)
    assert BuildPlan.from_dict(json.loads(json.dumps(plan.as_dict()))) == plan
    assert plan.summary
    assert re.fullmatch(r"(/[!-~]*)?", plan.health_path), f"{plan.health_path!r} is no path of a URL"
    lists = (*plan.manifests, *plan.build_packages, *plan.run_packages, *plan.extensions, *plan.tools.values())
    for text in (plan.output, plan.version, plan.manager_package, plan.folder, *lists):
        assert not re.search(r"[\s\0]", text), f"{text!r} is more than one word of a Dockerfile"
    if plan.runtime == "dockerfile":
        return
    dockerfile.caddyfile(plan)
    dockerfile.apache_conf(plan)
    tools = {name: f"{name}:1" for name in plan.tools}
    _check_generated(dockerfile.generate(plan, "base:1", "server:1", has_variables=True, tools=tools))


def _check_generated(text: str) -> None:
    """Nothing that a source says becomes an instruction."""
    if find_spec("better_paas.builders.own") is None:
        return
    from better_paas.builders.own import read

    found = read(text)
    assert {image.reference for image in found.images} <= {"base:1", "server:1", "node:1", "bun:1", "composer:1"}


_LIMITS = UnpackLimits(files=40, file_bytes=2**16, bytes=2**18)


def _unpacked(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        target_folder = Path(folder) / "inner" / "target"
        target_folder.parent.mkdir()
        count = None
        with contextlib.suppress(ArchiveRefused):
            count = unpack(io.BytesIO(data), target_folder, _LIMITS)
        assert os.listdir(folder) == ["inner"]
        assert set(os.listdir(target_folder.parent)) <= {"target"}, "something lies beside the folder"
        found = [Path(at) / name for at, folders, files in os.walk(target_folder) for name in (*folders, *files)]
        assert not any(path.is_symlink() or not (path.is_dir() or path.is_file()) for path in found)
        files = [path for path in found if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= _LIMITS.bytes
        assert count is None or count == len(files), "it counts other files than there are"


@target("PK\3\4", "PK\1\2", "PK\5\6", "\x1f\x8b\x08", "../", "/etc/", "a/")
def archives(data: bytes) -> None:
    _unpacked(data)


@target(
    "ustar\00000", "ustar  \0", "../", "././@PaxHeader", "17 path=../../x\n", "GNU.sparse.map=", "22 GNU.sparse.size=9"
)
def tars(data: bytes) -> None:
    """The same, with the tar in plain view."""
    blocks = [data[start : start + 512] for start in range(0, len(data), 512)]
    _unpacked(gzip.compress(b"".join(map(_with_checksum, blocks)), 1))


def _with_checksum(block: bytes) -> bytes:
    """The header of a file as the reader wants it, which a fuzzer does not find by trying."""
    if block[257:262] != b"ustar":
        return block
    return block[:148] + b"%06o\0 " % (sum(block[:148]) + 8 * ord(" ") + sum(block[156:])) + block[156:]


# Git


@target("git@", "https://", "ssh://", ":443/", "owner/name", "user:token@", "[::1]", "%2e", "git clone ", ".lock", "@{")
def git_sources(data: bytes) -> None:
    text = _text(data)
    with contextlib.suppress(source.SourceRefused):
        address = source.parse_address(text)
        again = source.parse_address(address.url)
        assert again.url == address.url, "an address reads otherwise the second time"
        assert (again.host, again.port, again.path, again.token) == (address.host, address.port, address.path, "")
        assert not address.url.startswith("-") and not re.search(r"\s", address.url)
        assert not address.host.startswith("-")
    with contextlib.suppress(source.SourceRefused):
        ref = source.check_ref(text)
        assert reference.is_ref(ref) and not ref.startswith("-"), "Git has no such names"


@target("refs/heads/", "refs/tags/", "ref: ", "\tHEAD\n", "^{}", "\n", needs="better_paas.git.counting")
def git_refs(data: bytes) -> None:
    """The output of `git ls-remote --symref`."""
    from better_paas.git.counting import RefCount
    from better_paas.git.errors import TooMuch

    whole, pieces = RefCount(), RefCount()
    with contextlib.suppress(TooMuch):
        for start in range(0, len(data), 7):
            pieces.feed(data[start : start + 7])
        whole.feed(data)
        assert whole.refs == pieces.refs
        for name in fetch._branches_of(whole.refs):
            assert not fetch._is_usable(name) or reference.is_ref(name)


@target("a/", "/" * 61, "\t", "\n", needs="better_paas.git.counting")
def git_trees(data: bytes) -> None:
    """Paths that `git ls-tree -z` names."""
    from better_paas.git.counting import TreeCount
    from better_paas.git.errors import TooMuch

    names = data.split(b"\0")
    listed = b"".join(b"100644 blob %s %7d\t%s\0" % (b"0" * 40, len(name), name) for name in names)
    with contextlib.suppress(TooMuch):
        TreeCount(2**20).feed(listed)
        assert all(len(name) <= 1024 and name.count(b"/") <= 60 for name in names)


@target("submodule.", ".path\n", ".url\n", "../", "git@", "https://", "160000 commit ", "\t", errors=(FetchFailed,))
def git_submodules(data: bytes) -> None:
    """What git says of `.gitmodules`, then the entries of a tree."""
    said, _, listing = data.partition(b"\0\0")
    parent = source.parse_address("https://git.example.com/team/shop.git")
    whole, pieces = submodules.Links(), submodules.Links()
    whole.feed(listing)
    for start in range(0, len(listing), 7):
        pieces.feed(listing[start : start + 7])
    assert whole.commits() == pieces.commits()
    settings = submodules.Settings(len(said))
    settings.feed(said)
    for address in settings.addresses(parent).values():
        assert (address.scheme, address.host, address.port) == ("https", "git.example.com", 443)


@target(
    '{"objects": [',
    '"oid": ',
    '"actions": {"download": {',
    '"href": ',
    '"header": {',
    errors=(ValueError, RecursionError),
)
def lfs_answers(data: bytes) -> None:
    for entry in lfs._listed(json.loads(data)):
        place = lfs._place(entry)
        assert place is None or "host" not in {name.lower() for name in place.headers}


# Logs

SECRET = "s3cr3t/Pass+word~4"
_FORMS = (SECRET, quote(SECRET, safe=""), SECRET.encode().hex(), base64.b64encode(SECRET.encode()).decode())
_REDACTOR = Redactor([SECRET, "s3cr3t/", "two\nlined secret"])


@target(
    *_FORMS,
    "s3cr3t/",
    "Bearer ",
    "token=",
    "://",
    "@",
    "bpagt_",
    "\n",
    "\x1b[",
    "\x1b]",
    "\x07",
    "\u202e",
    "lined secret",
)
def log_lines(data: bytes) -> None:
    whole, pieces = LineBuffer(), LineBuffer()
    lines = [*whole.feed(data), *whole.flush()]
    step = max(1, len(data) // 50)
    cut = [line for start in range(0, len(data), step) for line in pieces.feed(data[start : start + step])]
    assert [*cut, *pieces.flush()] == lines, "how it comes changes what it says"
    assert all(len(line) <= LONGEST_LINE or line == TOO_LONG for line in lines)
    texts = [line.decode(errors="replace") for line in lines]
    for shown in (_REDACTOR.lines(texts), [_REDACTOR.text(text) for text in texts]):
        assert len(shown) == len(texts)
        assert not any(form in text for text in shown for form in _FORMS), "a secret is shown"
    heard = Heard(lambda line: None)
    for text in texts:
        clean = plain(text)
        assert plain(clean) == clean
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", clean)
        assert "\n" not in one_line(text)
        heard(text)
    assert len(heard.cause()) <= 300
    heard.explain(_text(data))
    log = framed(texts)["log"]
    assert log.count("\n") <= len(texts) + 2 and len(log) < 20_000


@target("\x0a", "\x12", "\x1a", "\x22", "\x3a", "sha256:", errors=(trace.TraceError,))
def build_progress(data: bytes) -> None:
    status = trace.decode(data)
    for vertex in status.vertexes:
        assert isinstance(vertex.name, str) and isinstance(vertex.error, str)
    assert all(isinstance(text, str) for _, text in status.logs)


# Credentials


@target("bpagt_", "0123456789")
def agent_tokens(data: bytes) -> None:
    text = _text(data)
    if (found := agent_token.parse(text)) is not None:
        assert re.fullmatch(agent_token.PATTERN, text)
        assert agent_token.PREFIX + found.id == text[: len(agent_token.PREFIX) + len(found.id)]
    made = agent_token.make("a" + re.sub("[^a-z0-9]", "0", text.lower())[:9].ljust(9, "0"))
    assert agent_token.parse(made) is not None
    for position in range(len(made)):
        letter = text[position % len(text)] if text else "x"
        changed = made[:position] + letter + made[position + 1 :]
        assert changed == made or agent_token.parse(changed) is None, "a typing mistake is not seen"


@target(
    "eyJ", ".", "e30", '{"alg":"RS256","kid":"', '{"iss":"https://', '"kty":"RSA"', '"kty":"EC","crv":"P-256"', "[" * 50
)
def identity_tokens(data: bytes) -> None:
    """A token; then, in clear, its head and its claims, or a published key."""
    token, *rest = _parts(data)
    spelled = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in [*rest, "", ""][:3])
    for text in (token, spelled):
        with contextlib.suppress(Invalid):
            issuer, key_id = identity._unproven(text)
            assert isinstance(issuer, str) and isinstance(key_id, str)
    with contextlib.suppress(ValueError, RecursionError):
        key = json.loads(token)
        if isinstance(key, dict):
            identity._usable(key)


@target("reg_", ".", "http://127.0.0.1", "https://", "cursor://", "[::1]", ":", "@", "/callback")
def oauth_clients(data: bytes) -> None:
    """A client's id, its name and its redirects."""
    client_id, name, *redirects = [*_parts(data), ""]

    def digest(body: bytes) -> str:
        return hashlib.sha256(b"a key that nobody knows" + body).hexdigest()

    with contextlib.suppress(Invalid):
        clients.find(client_id, digest)
    with contextlib.suppress(Invalid):
        made = clients.register(name, redirects, digest)
        assert clients.find(made.id, digest) == made
        for address in redirects:
            assert clients.allows(made, address)
            assert not re.search(r"[\s\\]", clients.place(address))


@target("\n\n\u2014 ", "log.example+", "\ntime ", "AAAA", "=\n", "1234567890", errors=(notes.NoteRefused,))
def audit_notes(data: bytes) -> None:
    text = _text(data)
    with contextlib.suppress(notes.NoteRefused):
        verifier = notes.Verifier.parse(text)
        assert notes.Verifier.parse(verifier.text()) == verifier
    with contextlib.suppress(notes.NoteRefused):
        notes.Verifier("log.example", bytes(32)).open(text)
    checkpoint = notes._parse_body(text)
    assert notes._parse_body(checkpoint.body()) == checkpoint


# What people and their programs fill in


@target(
    "xn--",
    "xn--bcher-kva",
    ".",
    "/",
    "\u00fc",
    "\u3002",
    "localhost",
    "..",
    "--",
    "\u200d",
    errors=(Invalid,),
    needs="better_paas.domains.claims",
)
def domain_names(data: bytes) -> None:
    host, path = hosts.split_name(_text(data))
    assert hosts.split_name(host + path) == (host, path)
    assert host.isascii() and host == host.lower() and len(host) <= 253 and hosts.is_plain(host, path)
    for label in host.split("."):
        if label.startswith("xn--"):
            assert idna.alabel(idna.ulabel(label)).decode() == label
    rules = hosts.HostRules("apps.example.com", "auto", 80, 443)
    assert rules.url(host + path).partition("://")[2] == host + path


_FIELDS = {
    name: TypeAdapter(getattr(fields, name))
    for name in (
        *("Name", "Repository", "Ref", "TreePath", "Command", "Processes", "WatchMinutes", "HealthPath", "Memory"),
        *("Cpus", "Environment", "Volumes", "Token", "Port", "EnvKey", "Domain"),
    )
}


@target(
    *_FIELDS, '\0{"', '\0["', "data:/app/data", ":ro", ":shared", "512m", "0.5", "../", "sample:hello-node", "worker"
)
def field_rules(data: bytes) -> None:
    """The field's name and its value, as JSON or as text."""
    name, _, text = _text(data).partition("\0")
    value: object = text
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
    for rule in [_FIELDS[name]] if name in _FIELDS else _FIELDS.values():
        for given in (value, text):
            with contextlib.suppress(ValidationError):
                kept = rule.validate_python(given)
                assert rule.validate_python(kept) == kept, "what is kept is not taken again"
                if rule is _FIELDS["Name"]:
                    hosts.normalise(f"{kept}.apps.example.com")


@functools.cache
def bodies() -> list[type[Body]]:
    """What the API takes, all of it."""
    import better_paas.app  # noqa: F401  # all endpoints; only this target needs them, and they take seconds

    found, rest = [], [Body]
    while rest:
        kinds = [kind for kind in rest.pop().__subclasses__() if kind.__module__.startswith("better_paas.")]
        found += kinds
        rest += kinds
    return found


@target(
    *(
        '"id":"',
        '"name":"',
        '"gitRepo":"',
        '"envVars":{',
        '"domains":["',
        '"volumes":["',
        '"processes":{',
        '"scopes":["',
    ),
    *(
        '"resources":{',
        '"secretKeys":[',
        '"portOverride":',
        '"expiresIn":',
        '"claims":{',
        "null",
        "\\ud800",
        "1e999",
        "[" * 99,
    ),
)
def json_bodies(data: bytes) -> None:
    for kind in bodies():
        with contextlib.suppress(ValidationError):
            found = kind.model_validate_json(data)
            found.model_dump_json(by_alias=True)


@target("export ", "=", "'", '"', "\\", "\\'", " #", "\n", "\r", errors=(CliError,))
def env_files(data: bytes) -> None:
    found = dotenv.parse(_text(data))
    assert all(re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,127}", name) for name in found)
    assert dotenv.parse(dotenv.format(found)) == found


@target(
    "{", "}", "[", "]", ",", ":", "//", "/*", "*/", '"servers"', '"paas"', "\\u0000", "1e5", errors=(jsonc.NotJson,)
)
def json_with_comments(data: bytes) -> None:
    text = _text(data)
    place = ("servers", "paas")
    before = jsonc.get(text, ()) if text.strip() else {}
    put = jsonc.put(text, place, {"url": "x", "list": [1]})
    assert jsonc.get(put, place) == {"url": "x", "list": [1]}
    kept = dict(before)
    found = dict(jsonc.get(put, ()))
    kept.pop("servers", None), found.pop("servers", None)
    assert found == kept, "another member was changed"
    dropped = jsonc.drop(put, place)
    jsonc.get(dropped, ())
    assert text.count('"paas"') or jsonc.get(dropped, place) is None
