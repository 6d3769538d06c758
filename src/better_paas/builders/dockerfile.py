"""From a plan to a Dockerfile, and the additions that any Dockerfile gets. Pure text.

Shell text from people or repositories becomes an exec-form RUN whose JSON can't break out of its line.
"""

import dataclasses
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from better_paas.builders.instructions import Instruction, parse
from better_paas.builders.languages import LANGUAGES, NODE_PREFIX, PYTHON_MANAGERS, TOOLS, is_made_here
from better_paas.builders.packages import DEBIAN_NAMES, EXTENSIONS, PECL
from better_paas.builders.plan import BuildPlan

# Layout of a generated build's context. What the platform lends to the build lies beside the app's files,
# so that copying those can't bring it into a layer.
SOURCE = "source"
LENT = "better-paas"
# Of all members of a workspace, in one layer: there may be more of them than an image may have layers.
MANIFESTS = f"{LENT}/manifests"
VARIABLES_FILE = f"{LENT}/variables"
_VARIABLES_TARGET = "/run/better-paas-variables"
_TRUST_TARGET = "/run/better-paas-trust"
_USER = "10001:10001"
_APT = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"

# What tells programs of builds which certificate authorities to trust.
CA_VARIABLES = (
    "SSL_CERT_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_CAFILE",
    "CARGO_HTTP_CAINFO",
    "DENO_CERT",
)
_MODERN_FLAGS = ("--mount=", "--network=", "--security=")


def generate(
    plan: BuildPlan, base: str, static_base: str, has_variables: bool, tools: Mapping[str, str] | None = None
) -> str:
    """The Dockerfile of a generated plan.

    base: for the language; static_base: for what runs of it, if that differs; tools: bases of its second languages.
    """
    tools = tools or {}
    build = _build_stage(plan, base, has_variables, tools)
    if plan.runtime == "static":
        text = _static(plan, static_base, build)
    else:
        text = _lines([*build, "", *_run_stage(plan, base, static_base or base, tools)])
    return _with_mounts(text, plan.mounts if plan.runtime == "static" else ("/app", *plan.mounts))


def _with_mounts(dockerfile: str, paths: tuple[str, ...]) -> str:
    """The app may write where it lives, and an empty volume takes its owner from the folder that it covers."""
    if not paths:
        return dockerfile
    folders = " ".join(sorted(paths))
    head, _, tail = dockerfile.rpartition(f"USER {_USER}\n")
    return f"{head}RUN mkdir -p {folders} && chown {_USER} {folders}\nUSER {_USER}\n{tail}"


# A name that ends with eight or more letters of which one is a digit or a capital: no word of a language.
_HASHED = (
    "[.-]("
    + "|".join(f"[a-z_]{{{lower}}}[0-9A-Z][0-9A-Za-z_]{{{7 - lower},}}" for lower in range(8))
    + r")\.(js|mjs|css|map|woff2?|ttf|png|jpe?g|gif|svg|webp|avif|ico|wasm)$"
)


# Beside each file of a site: what it holds, as a validator that is the same for the same content.
_ETAG_ENDING = ".content-etag"
_WITH_ETAGS = (
    "find /srv -type f -exec sha256sum {} + | while read -r sum file; do "
    f'[ ! -f "$file" ] || printf \'"%.32s"\' "$sum" > "$file{_ETAG_ENDING}"; done'
)
_FILE_SERVER = f"file_server {{\n\t\t\tetag_file_extensions {_ETAG_ENDING}\n\t\t}}"


def caddyfile(plan: BuildPlan) -> str:
    """What the server of a static site reads. A single-page app answers unknown paths with its index, any other site
    with its 200.html, if it has one."""
    known = "{path} {path}/index.html" if plan.single_page else "{path} {path}.html {path}/index.html"
    tries = f"{known} {'/index.html' if plan.single_page else '/200.html'}"
    return (
        "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n"
        ":{$PORT} {\n"
        "\troot * /srv\n\tencode zstd gzip\n"
        # Such as .git and .env; what is well known is meant to be seen (RFC 8615).
        f"\t@hidden {{\n\t\tpath */.* *{_ETAG_ENDING}\n\t\tnot path /.well-known/*\n\t}}\n"
        "\thandle @hidden {\n\t\terror 404\n\t}\n"
        # A page's links are meant from its folder on, so visitors are sent to the path with the slash.
        "\t@folder {\n\t\tfile {path}/index.html\n\t\tnot path */\n\t}\n"
        '\thandle @folder {\n\t\theader Cache-Control "no-cache"\n\t\tfile_server\n\t}\n'
        # A build gives changed files new names; everything else is asked for anew, which costs a 304.
        f"\t@hashed path_regexp {_HASHED}\n"
        '\thandle @hashed {\n\t\theader Cache-Control "public, max-age=31536000, immutable"\n'
        f"\t\t{_FILE_SERVER}\n\t}}\n"
        '\thandle {\n\t\theader Cache-Control "no-cache"\n'
        f"\t\ttry_files {tries}\n\t\t{_FILE_SERVER}\n\t}}\n"
        '\thandle_errors {\n\t\theader Cache-Control "no-cache"\n'
        "\t\trewrite * /{err.status_code}.html\n\t\tfile_server\n\t}\n"
        "}\n"
    )


def _build_stage(plan: BuildPlan, base: str, has_variables: bool, tools: Mapping[str, str]) -> list[str]:
    """Everything is built in /app, which is then all that the image gets, but for Python's /venv."""
    language = LANGUAGES[plan.language]
    cache = f"--mount=type=cache,id={_cache_id(plan.language)},target={language.cache},sharing={language.sharing} "
    # What both stages begin with alike is done once.
    lines = [f"FROM {base} AS build", "WORKDIR /app", *_extensions(plan)]
    lines += _environment(language.build_environment, plan)
    lines += [*_packages((*plan.build_packages, *_headers(plan, base))), *_tools(list(plan.tools), tools)]
    if plan.language == "python":
        lines.append("RUN python3 -m venv /venv")
        if plan.package_manager in PYTHON_MANAGERS:
            lines.append(
                f"RUN {cache}python3 -m venv /tools && /tools/bin/python -m pip install {plan.package_manager}"
            )
    lines += [*_manager(plan, cache), *_install_lines(plan, cache, has_variables)]
    if plan.install_app:
        lines.append(_run(plan.install_app, cache, has_variables))
    if plan.folder:
        lines.append(f"WORKDIR /app/{plan.folder}")
    if plan.build:
        lines.append(_run(plan.build, cache, has_variables))
    return lines


def _headers(plan: BuildPlan, base: str) -> tuple[str, ...]:
    """What compiling for Python needs besides where the base is made of Debian's packages; official ones have it."""
    compiles = plan.language == "python" and bool(plan.build_packages)
    return ("python3-dev",) if compiles and is_made_here(base) else ()


def _run_stage(plan: BuildPlan, base: str, run_base: str, tools: Mapping[str, str]) -> list[str]:
    language = LANGUAGES[plan.runtime]
    lines = [f"FROM {run_base}", "WORKDIR /app", *_extensions(plan)]
    lines += _environment(language.run_environment, plan)
    lines += _packages((*language.run_packages.split(), *plan.run_packages))
    lines += _tools(plan.run_tools, tools)
    if language.compiled and not language.run_packages:
        lines.append("COPY --from=build /etc/ssl/certs /etc/ssl/certs")
    if plan.runtime == "php":
        lines.append(f"COPY {LENT}/apache.conf /etc/better-paas-apache.conf")
    if plan.runtime == "python":
        lines.append("COPY --from=build /venv /venv")
    if plan.runtime == "node" and _is_called(plan.package_manager, plan):
        lines += _manager(plan, "")
    lines += [
        f"COPY --from=build --chown={_USER} /app /app",
        # Only now, when the folder is there with its owner.
        *([f"WORKDIR /app/{plan.folder}"] if plan.folder else []),
        f"USER {_USER}",
        # The image's own entry point may want to be root, or to change the command.
        "ENTRYPOINT []",
        f"CMD {_exec_form(plan.start)}",
    ]
    return lines


def _is_called(program: str, plan: BuildPlan) -> bool:
    """Whether some command of the running app runs it."""
    commands = (plan.start, plan.release, *plan.processes.values())
    return any(re.search(rf"(?<![\w./-]){re.escape(program)}(?= |$)", command) for command in commands)


def _lines(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _packages(names: Sequence[str]) -> list[str]:
    """Of Debian."""
    if not names:
        return []
    return [f"RUN {_APT} {' '.join(dict.fromkeys(names))} && rm -rf /var/lib/apt/lists/*"]


def _extensions(plan: BuildPlan) -> list[str]:
    """Of PHP: the official image compiles them, Debian's has packages of them."""
    if not plan.extensions:
        return []
    needed = sorted({name for each in plan.extensions for name in {**EXTENSIONS, **PECL}[each].split()})
    bundled = [each for each in plan.extensions if each in EXTENSIONS]
    fetched = " ".join(each for each in plan.extensions if each in PECL)
    debian = sorted({f"php-{DEBIAN_NAMES.get(each, each)}" for each in plan.extensions} - {"php-"})
    steps = [f"docker-php-ext-install -j2 {' '.join(bundled)}"] if bundled else []
    steps += [f"pecl install {fetched} < /dev/null && docker-php-ext-enable {fetched}"] if fetched else []
    compiled = " && ".join(steps)
    if needed:
        compiled = f"{_APT} {' '.join(needed)} && {compiled}"
    ready = f"{_APT} {' '.join(debian)}" if debian else "true"
    return [
        f"RUN if command -v docker-php-ext-install; then {compiled}; else {ready}; fi && rm -rf /var/lib/apt/lists/*"
    ]


def _tools(names: Sequence[str], bases: Mapping[str, str]) -> list[str]:
    """Second languages, out of their own bases."""
    return [
        line
        for name in names
        if bases.get(name)
        for line in [
            *(f"COPY --from={bases[name]} {path} {path}" for path in TOOLS[name].paths),
            *([f"RUN cd /usr/local/bin && {TOOLS[name].links}"] if TOOLS[name].links else []),
        ]
    ]


def _environment(ours: Mapping[str, str], plan: BuildPlan) -> list[str]:
    """`$PATH` is meant in values of ours; those of repositories come as they are."""
    named = [f"{name}={_nearer(value, plan)}" for name, value in ours.items() if name not in plan.environment]
    named += [f"{name}={_literal(value)}" for name, value in plan.environment.items()]
    return [f"ENV {' '.join([*named, 'HOME=/tmp'])}"]  # the container's own, and all that it may write to


def _nearer(path: str, plan: BuildPlan) -> str:
    """With the programs of a workspace's member before those of its top."""
    top = "/app/node_modules/.bin"
    return path.replace(top, f"/app/{plan.folder}/node_modules/.bin:{top}") if plan.folder else path


def _literal(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./:=,@+-]++", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def apache_conf(plan: BuildPlan) -> str:
    """What the server of a PHP app reads. Paths that are no files are the app's own business."""
    root = "/app" if plan.output in ("", ".") else f"/app/{plan.output}"
    return f"""ServerRoot /etc/apache2
ServerName localhost
ServerTokens Prod
Listen ${{PORT}}
PidFile /tmp/apache2.pid
Mutex file:/tmp default
DefaultRuntimeDir /tmp
IncludeOptional mods-enabled/*.load
IncludeOptional mods-enabled/*.conf
ErrorLog /dev/stderr
LogLevel warn
TypesConfig /etc/mime.types
DocumentRoot {root}
DirectoryIndex index.php index.html
<Directory {root}>
    Options FollowSymLinks
    AllowOverride All
    Require all granted
    FallbackResource /index.php
</Directory>
<FilesMatch "^\\.|^(composer\\.(json|lock)|Procfile)$">
    Require all denied
</FilesMatch>
<FilesMatch "\\.php$">
    SetHandler application/x-httpd-php
</FilesMatch>
"""


def _static(plan: BuildPlan, static_base: str, build: list[str]) -> str:
    lines: list[str] = []
    source = f"{SOURCE}/" if plan.site == "." else f"{SOURCE}/{plan.site}/"
    if plan.build or plan.install:
        lines = [*build, _has_a_site(plan), ""]
        source = f"--from=build /app/{plan.site}"
    lines += [
        f"FROM {static_base}",
        "ENV HOME=/tmp XDG_DATA_HOME=/tmp XDG_CONFIG_HOME=/tmp",
        f"COPY {LENT}/Caddyfile /etc/caddy/Caddyfile",
        f"COPY {source} /srv",
        f"RUN {_WITH_ETAGS}",
        f"USER {_USER}",
        'CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]',
    ]
    return _lines(lines)


def _has_a_site(plan: BuildPlan) -> str:
    """The step that fails where the build left no page, and says which folders have one."""
    return "RUN " + json.dumps(["/bin/sh", "-c", site_check(plan.output)])


def site_check(output: str) -> str:
    """A command that fails, and says what there is, unless the folder has a page for `/`."""
    place = shlex.quote(output)
    pages = "find . -name index.html -not -path '*/node_modules/*' -not -path './public/*'"
    found = f"{pages} | sed 's,/index.html$,,' | head -n 5"
    return (
        f"test -f {place}/index.html || test -f {place}/200.html || {{ "
        f"echo 'Folders that have an index.html:' >&2; ({found}) >&2; "
        "echo 'Folders at the top:' >&2; ls -d ./*/ >&2; "
        f"echo 'The build left no index.html in '{place}'. Set the output folder, or a start command.' >&2; "
        "exit 1; }"
    )


def _cache_id(language: str) -> str:
    """Of its project alone, as all caches: see `engine.build`."""
    return f"better-paas-{language}"


def _manager(plan: BuildPlan, cache: str) -> list[str]:
    """Node's package manager, in the wanted version."""
    lines = [f"RUN {cache}npm install --global {plan.manager_package}"] if plan.manager_package else []
    if plan.package_manager == "pnpm":
        # Not before npm has run, which knows no such settings and says so. The second: see languages.NODE_PREFIX.
        store = "npm_config_store_dir=/root/.cache/pnpm " if cache else ""
        lines.append(f"ENV {store}npm_config_nodedir={NODE_PREFIX}")
    return lines


def _install_lines(plan: BuildPlan, cache: str, has_variables: bool) -> list[str]:
    everything = f"COPY {SOURCE}/ ./"
    if not plan.install:
        return [everything]
    install = _run(for_install(plan), cache, has_variables)
    if plan.manifests:
        # Installed from these files alone, so that the step is cached until one of them changes.
        return [f"COPY {MANIFESTS}/ ./", install, everything]
    return [everything, install]


def for_install(plan: BuildPlan) -> str:
    """The install command. A NODE_ENV that is meant for the app would keep its package manager from installing what
    the build needs."""
    uses_node = plan.language in ("node", "bun") or not {"node", "bun"}.isdisjoint(plan.tools)
    return f"unset NODE_ENV && {plan.install}" if plan.install and uses_node else plan.install


def _run(command: str, mounts: str, has_variables: bool) -> str:
    if has_variables:
        mounts += f"--mount=type=bind,source={VARIABLES_FILE},target={_VARIABLES_TARGET} "
        command = f"set -a && . {_VARIABLES_TARGET} && set +a && {command}"
    return f"RUN {mounts}{_shell_form(command)}"


def _shell_form(command: str) -> str:
    """Readable where the text is harmless to the Dockerfile's own syntax, else the exec form."""
    harmless = re.fullmatch(r"[A-Za-z0-9_./][^\x00-\x1f\x7f\x85\u2028\u2029\\`#]*", command) and "<<" not in command
    return command if harmless else json.dumps(["/bin/sh", "-c", command])


def _exec_form(command: str) -> str:
    simple = not re.search(r"[;&|<>(){}\n]|^\s*[A-Za-z_]\w*=", command)
    return json.dumps(["/bin/sh", "-c", f"exec {command}" if simple else command])


def trust_dockerfile() -> str:
    """An image that holds nothing but the CA bundle (`ca.crt` in its context), to be mounted into build steps."""
    return "FROM scratch\nCOPY ca.crt apt.conf /\n"


def trust_files(bundle: str) -> dict[str, str]:
    """The context of `trust_dockerfile`."""
    return {"ca.crt": bundle, "apt.conf": f'Acquire::https::CaInfo "{_TRUST_TARGET}/ca.crt";\n'}


def with_build_ca(dockerfile: str, trust_image: str) -> str:
    """Let every RUN trust the bundle in `trust_image`: mounted and named by ARGs, so in no layer and no image."""
    named = " ".join(f"{name}={_TRUST_TARGET}/ca.crt" for name in CA_VARIABLES)
    arguments = f"{named} APT_CONFIG={_TRUST_TARGET}/apt.conf"
    mount = f"--mount=type=bind,from={trust_image},source=/,target={_TRUST_TARGET}"

    def change(instruction: Instruction) -> Iterator[Instruction]:
        if instruction.name == "RUN" and not instruction.is_trigger:
            instruction = dataclasses.replace(instruction, flags=(mount, *instruction.flags))
        yield instruction
        if instruction.name == "FROM":
            yield Instruction("ARG", instruction.line + 1, (), (arguments,))

    return parse(dockerfile).changed(change).render()


def without_mounts(dockerfile: str) -> str:
    """For the old builder, which knows no mounts: the steps run without caches."""

    def change(instruction: Instruction) -> Iterator[Instruction]:
        kept = tuple(flag for flag in instruction.flags if not flag.startswith(_MODERN_FLAGS))
        yield dataclasses.replace(instruction, flags=kept) if instruction.name == "RUN" else instruction

    return parse(dockerfile).changed(change).render()
