"""From a plan to a Dockerfile, and the additions that any Dockerfile gets. Pure text.

Shell text from people or repositories becomes an exec-form RUN whose JSON can't break out of its line.
"""

import json
import re
from collections.abc import Callable

from better_paas.builders.languages import LANGUAGES
from better_paas.builders.plan import BuildPlan

InstructionChange = Callable[[str, str], str]

# Layout of a generated build's context. What the platform lends to the build lies beside the app's files,
# so that copying those can't bring it into a layer.
SOURCE = "source"
LENT = "better-paas"
VARIABLES_FILE = f"{LENT}/variables"
_VARIABLES_TARGET = "/run/better-paas-variables"
_TRUST_TARGET = "/run/better-paas-trust"
_USER = "10001:10001"

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
)
_INSTRUCTION = re.compile(r"^\s*([A-Za-z]+)(\s+|$)")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\1")
_MOUNT = re.compile(r"--(?:mount|network|security)=\S+\s+")


def generate(plan: BuildPlan, base: str, static_base: str, has_variables: bool) -> str:
    """The Dockerfile of a generated plan. base: for the language; static_base: for what runs of it, if that differs."""
    if plan.runtime == "static":
        text = _static(plan, base, static_base, has_variables)
    elif plan.runtime in _WRITERS:
        text = _WRITERS[plan.runtime](plan, base, has_variables)
    else:
        text = _language(plan, base, static_base or base, has_variables)
    return _with_mounts(text, plan.mounts)


def _with_mounts(dockerfile: str, paths: tuple[str, ...]) -> str:
    """An empty volume takes its owner from the folder that it covers."""
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


def caddyfile(plan: BuildPlan) -> str:
    """What the server of a static site reads. A single-page app answers unknown paths with its index, any other site
    with its 200.html, if it has one."""
    known = "{path} {path}/index.html" if plan.single_page else "{path} {path}.html {path}/index.html"
    tries = f"{known} {'/index.html' if plan.single_page else '/200.html'}"
    return (
        "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n"
        ":{$PORT} {\n"
        "\troot * /srv\n\tencode zstd gzip\n"
        # A build gives changed files new names; everything else is asked for anew, which costs a 304.
        f"\t@hashed path_regexp {_HASHED}\n"
        '\thandle @hashed {\n\t\theader Cache-Control "public, max-age=31536000, immutable"\n\t\tfile_server\n\t}\n'
        '\thandle {\n\t\theader Cache-Control "no-cache"\n'
        f"\t\ttry_files {tries}\n"
        "\t\tfile_server\n\t}\n"
        '\thandle_errors {\n\t\theader Cache-Control "no-cache"\n'
        "\t\trewrite * /{err.status_code}.html\n\t\tfile_server\n\t}\n"
        "}\n"
    )


def _python(plan: BuildPlan, base: str, has_variables: bool) -> str:
    if not plan.install and not plan.build:
        lines = [f"FROM {base}", "WORKDIR /app", "ENV PYTHONUNBUFFERED=1 HOME=/tmp"]
        lines += [f"COPY --chown={_USER} {SOURCE}/ ./", f"USER {_USER}", f"CMD {_exec_form(plan.start)}"]
        return "\n".join(lines) + "\n"
    tools = {"uv": "uv", "poetry": "poetry"}.get(plan.package_manager, "")
    cache = f"--mount=type=cache,id={_cache_id(plan, 'python')},target=/root/.cache,sharing=shared "
    lines = [
        f"FROM {base} AS build",
        "WORKDIR /app",
        "ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore UV_LINK_MODE=copy \\",
        "    UV_PROJECT_ENVIRONMENT=/venv POETRY_VIRTUALENVS_CREATE=false VIRTUAL_ENV=/venv \\",
        "    PATH=/venv/bin:/tools/bin:$PATH",
        "RUN python3 -m venv /venv",
    ]
    if tools:
        lines.append(f"RUN {cache}python3 -m venv /tools && /tools/bin/python -m pip install {tools}")
    lines += _install_lines(plan, cache)
    if plan.build:
        lines.append(_run(plan.build, cache, has_variables))
    lines += [
        "",
        f"FROM {base}",
        "WORKDIR /app",
        "ENV PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv PYTHONUNBUFFERED=1 HOME=/tmp",
        "COPY --from=build /venv /venv",
        f"COPY --from=build --chown={_USER} /app /app",
        f"USER {_USER}",
        f"CMD {_exec_form(plan.start)}",
    ]
    return "\n".join(lines) + "\n"


def _node(plan: BuildPlan, base: str, has_variables: bool) -> str:
    lines = _node_build(plan, base, has_variables)
    lines += [
        "",
        f"FROM {base}",
        "WORKDIR /app",
        "ENV NODE_ENV=production HOME=/tmp",
        *([_manager_line(plan)] if _manager_line(plan) and not plan.start.startswith("node ") else []),
        f"COPY --from=build --chown={_USER} /app /app",
        f"USER {_USER}",
        f"CMD {_exec_form(plan.start)}",
    ]
    return "\n".join(lines) + "\n"


def _language(plan: BuildPlan, base: str, run_base: str, has_variables: bool) -> str:
    """Two stages: everything is built in /app, which is then all that the second one gets."""
    language = LANGUAGES[plan.runtime]
    mount = f"--mount=type=cache,id={_cache_id(plan, plan.runtime)},target={language.cache},sharing=locked "
    lines = [f"FROM {base} AS build", "WORKDIR /app", *_environment(language.build_environment)]
    lines += _install_lines(plan, mount)
    if plan.build:
        lines.append(_run(plan.build, mount, has_variables))
    lines += ["", f"FROM {run_base}", "WORKDIR /app", *_environment(language.run_environment)]
    if language.run_packages:
        lines.append(
            f"RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends {language.run_packages}"
            " && rm -rf /var/lib/apt/lists/*"
        )
    elif language.compiled:
        lines.append("COPY --from=build /etc/ssl/certs /etc/ssl/certs")
    if plan.runtime == "php":
        lines.append(f"COPY {LENT}/apache.conf /etc/better-paas-apache.conf")
    lines += [
        f"COPY --from=build --chown={_USER} /app /app",
        f"USER {_USER}",
        # The image's own entry point may want to be root, or to change the command.
        "ENTRYPOINT []",
        f"CMD {_exec_form(plan.start)}",
    ]
    return "\n".join(lines) + "\n"


def _environment(values: dict[str, str]) -> list[str]:
    named = {**values, "HOME": "/tmp"}  # noqa: S108  # the container's own, and all that it may write to
    return [f"ENV {' '.join(f'{name}={value}' for name, value in named.items())}"]


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


def _static(plan: BuildPlan, base: str, static_base: str, has_variables: bool) -> str:
    lines: list[str] = []
    source = f"{SOURCE}/" if plan.output == "." else f"{SOURCE}/{plan.output}/"
    if plan.build or plan.install:
        lines = [*_node_build(plan, base, has_variables), ""]
        source = f"--from=build /app/{plan.output}"
    lines += [
        f"FROM {static_base}",
        "ENV HOME=/tmp XDG_DATA_HOME=/tmp XDG_CONFIG_HOME=/tmp",
        f"COPY {LENT}/Caddyfile /etc/caddy/Caddyfile",
        f"COPY {source} /srv",
        f"USER {_USER}",
        'CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]',
    ]
    return "\n".join(lines) + "\n"


def _node_build(plan: BuildPlan, base: str, has_variables: bool) -> list[str]:
    cache = f"--mount=type=cache,id={_cache_id(plan, 'node')},target=/root/.cache,sharing=shared "
    lines = [
        f"FROM {base} AS build",
        "WORKDIR /app",
        "ENV npm_config_cache=/root/.cache/npm npm_config_store_dir=/root/.cache/pnpm \\",
        "    YARN_CACHE_FOLDER=/root/.cache/yarn \\",
        "    npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false CI=true",
    ]
    if manager := _manager_line(plan, cache):
        lines.append(manager)
    lines += _install_lines(plan, cache)
    if plan.build:
        lines.append(_run(plan.build, cache, has_variables))
    return lines


def _cache_id(plan: BuildPlan, language: str) -> str:
    """A cache belongs to its project: what one app's build writes there must not be run by another's."""
    return f"better-paas-{plan.cache_scope or 'plan'}-{language}"


def _manager_line(plan: BuildPlan, cache: str = "") -> str:
    return f"RUN {cache}npm install --global {plan.manager_package}" if plan.manager_package else ""


def _install_lines(plan: BuildPlan, cache: str) -> list[str]:
    everything = f"COPY {SOURCE}/ ./"
    if not plan.install:
        return [everything]
    install = _run(plan.install, cache, False)
    if plan.manifests:
        # Installed from these files alone, so that the step is cached until one of them changes.
        return [f"COPY {' '.join(f'{SOURCE}/{name}' for name in plan.manifests)} ./", install, everything]
    return [everything, install]


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


_WRITERS = {"python": _python, "node": _node}


def trust_dockerfile() -> str:
    """An image that holds nothing but the CA bundle (`ca.crt` in its context), to be mounted into build steps."""
    return "FROM scratch\nCOPY ca.crt apt.conf /\n"


def trust_files(bundle: str) -> dict[str, str]:
    """The context of `trust_dockerfile`."""
    return {"ca.crt": bundle, "apt.conf": f'Acquire::https::CaInfo "{_TRUST_TARGET}/ca.crt";\n'}


def with_build_ca(dockerfile: str, trust_image: str) -> str:
    """Let every RUN trust the bundle in `trust_image`: mounted and named by ARGs, so in no layer and no image."""
    named = " ".join(f"{name}={_TRUST_TARGET}/ca.crt" for name in CA_VARIABLES)
    arguments = f"ARG {named} APT_CONFIG={_TRUST_TARGET}/apt.conf"
    mount = f"--mount=type=bind,from={trust_image},source=/,target={_TRUST_TARGET} "

    def change(name: str, text: str) -> str:
        if name == "FROM":
            return f"{text}\n{arguments}"
        if name == "RUN":
            return re.sub(r"^(\s*[Rr][Uu][Nn]\s+)", lambda match: match[1] + mount, text)
        return text

    return _each_instruction(dockerfile, change)


def without_mounts(dockerfile: str) -> str:
    """For the old builder, which knows no mounts: the steps run without caches."""
    return _each_instruction(dockerfile, lambda name, text: _MOUNT.sub("", text) if name == "RUN" else text)


def base_images(dockerfile: str) -> list[str]:
    """Images that the Dockerfile builds on, without its own stages and `scratch`."""
    stages: set[str] = set()
    bases: list[str] = []

    def look(name: str, text: str) -> str:
        if name == "FROM":
            words = [word for word in text.replace("\\\n", " ").split()[1:] if not word.startswith("--")]
            if words and words[0].lower() not in stages | {"scratch"} and "$" not in words[0]:
                bases.append(words[0])
            if len(words) == 3 and words[1].lower() == "as":
                stages.add(words[2].lower())
        return text

    _each_instruction(dockerfile, look)
    return list(dict.fromkeys(bases))


def _each_instruction(dockerfile: str, change: InstructionChange) -> str:
    """Apply `change(name, text)` to each instruction with its continuation lines; heredocs stay as they are."""
    # Only the builder's own line end counts: str.splitlines knows a dozen more.
    lines = dockerfile.removesuffix("\n").replace("\r\n", "\n").split("\n")
    result: list[str] = []
    while lines:
        first = lines.pop(0)
        match = None if first.lstrip().startswith("#") else _INSTRUCTION.match(first)
        if match is None:
            result.append(first)
            continue
        taken = [first]
        while lines and (taken[-1].rstrip().endswith("\\") or taken[-1].lstrip().startswith("#")):
            taken.append(lines.pop(0))
        name = match[1].upper()
        result.append(change(name, "\n".join(taken)))
        for _, end in _HEREDOC.findall(" ".join(taken)) if name in ("RUN", "COPY", "ADD") else ():
            while lines:
                result.append(lines.pop(0))
                if result[-1].strip() == end:
                    break
    return "\n".join(result) + "\n"
