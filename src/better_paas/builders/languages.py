"""What it takes to build and run each language: its images, its caches, and the environment of both stages.

All images are of Debian 12 where there are such, so that the names of its packages hold (see packages.py).
"""

from dataclasses import dataclass, field

# The run image of programs that are compiled to a file of their own.
RUN = "run"


@dataclass(frozen=True)
class Made:
    """How a base is made where no registry can be reached, and which version that gives.

    packages: of Debian 12. npm: packages of the npm registry that carry the program, with `{machine}` in their names,
    and the folder of the program in them. serves_older: it also builds what asks for an older version.
    """

    version: str
    packages: str = ""
    npm: tuple[str, str] | None = None
    serves_older: bool = False

    def serves(self, wanted: str) -> bool:
        if not wanted or wanted == self.version or wanted.startswith(f"{self.version}."):
            return True
        return self.serves_older and _parts(wanted) <= _parts(self.version)


@dataclass(frozen=True)
class Language:
    """official: pattern of the official image. newest: its version for an app that asks for none.

    cache: folder that builds keep between each other; sharing: whether two may write to it at once.
    compiled: the result runs on the run image.
    """

    official: str
    newest: str
    made: Made | None = None
    cache: str = "/root/.cache"
    sharing: str = "locked"
    build_environment: dict[str, str] = field(default_factory=dict)
    run_environment: dict[str, str] = field(default_factory=dict)
    compiled: bool = False
    # Packages of Debian that a compiled program may need when it runs.
    run_packages: str = ""


# Older ones have no image of Debian 12, and none is made here.
OLDEST_NODE = 16
# Where its images have Node, and its headers.
NODE_PREFIX = "/usr/local"
# Node's programs look into both folders of caches, and at CI to ask nothing and to draw nothing.
_NODE_BUILD = {
    "npm_config_cache": "/root/.cache/npm",
    "YARN_CACHE_FOLDER": "/root/.cache/yarn",
    "YARN_ENABLE_GLOBAL_CACHE": "false",
    "npm_config_update_notifier": "false",
    "npm_config_fund": "false",
    "npm_config_audit": "false",
    "TURBO_TELEMETRY_DISABLED": "1",
    "CI": "true",
    "PATH": "/app/node_modules/.bin:$PATH",
}
# Python's package managers that are no part of it.
PYTHON_MANAGERS = ("uv", "poetry", "pdm", "pipenv")

LANGUAGES: dict[str, Language] = {
    "python": Language(
        "python:{version}-slim-bookworm",
        "3.11",
        Made("3.11", "python3 python3-venv python3-pip python-is-python3"),
        sharing="shared",
        build_environment={
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            "UV_LINK_MODE": "copy",
            "UV_PROJECT_ENVIRONMENT": "/venv",
            "UV_PYTHON_DOWNLOADS": "never",
            "POETRY_VIRTUALENVS_CREATE": "false",
            "PDM_CHECK_UPDATE": "false",
            "PIPENV_VERBOSITY": "-1",
            "VIRTUAL_ENV": "/venv",
            "PATH": "/venv/bin:/tools/bin:$PATH",
        },
        run_environment={"PATH": "/venv/bin:$PATH", "VIRTUAL_ENV": "/venv", "PYTHONUNBUFFERED": "1"},
    ),
    "node": Language(
        "node:{version}-bookworm-slim",
        "22",
        sharing="shared",
        # What is compiled for Node finds its headers where they are, and does not fetch them.
        build_environment={**_NODE_BUILD, "npm_package_config_node_gyp_nodedir": NODE_PREFIX},
        run_environment={"NODE_ENV": "production", "PATH": "/app/node_modules/.bin:$PATH"},
    ),
    "static": Language("caddy:{version}-alpine", "2", Made("2")),
    RUN: Language("debian:{version}-slim", "bookworm", Made("bookworm")),
    "go": Language(
        "golang:{version}-bookworm",
        "1.25",
        Made("1.19", "golang-go ca-certificates git", serves_older=True),
        cache="/root/.cache",
        build_environment={"GOMODCACHE": "/root/.cache/go-mod", "GOCACHE": "/root/.cache/go-build", "CGO_ENABLED": "0"},
        compiled=True,
    ),
    "rust": Language(
        "rust:{version}-bookworm",
        "1",
        Made("1.63", "cargo rustc gcc libc6-dev pkg-config libssl-dev", serves_older=True),
        cache="/root/.cache",
        build_environment={"CARGO_HOME": "/root/.cache/cargo", "CARGO_TARGET_DIR": "/root/.cache/target"},
        compiled=True,
        run_packages="ca-certificates libssl3",
    ),
    "php": Language(
        "php:{version}-apache-bookworm",
        "8.4",
        Made(
            "8.2",
            "apache2 libapache2-mod-php php-cli php-mbstring php-xml php-curl php-sqlite3 php-pgsql php-mysql php-zip "
            "composer unzip",
            serves_older=True,
        ),
        build_environment={"COMPOSER_HOME": "/root/.cache/composer", "COMPOSER_ALLOW_SUPERUSER": "1"},
    ),
    "ruby": Language(
        "ruby:{version}-bookworm",
        "3.4",
        Made("3.1", "ruby ruby-dev ruby-bundler build-essential git libyaml-dev libpq-dev libsqlite3-dev zlib1g-dev"),
        # Without the two of production assets are compiled for development, whose gems are not there.
        build_environment={
            "BUNDLE_PATH": "/app/vendor/bundle",
            "BUNDLE_WITHOUT": "development:test",
            "RACK_ENV": "production",
            "RAILS_ENV": "production",
        },
        run_environment={
            "BUNDLE_PATH": "/app/vendor/bundle",
            "BUNDLE_WITHOUT": "development:test",
            "RACK_ENV": "production",
            "RAILS_ENV": "production",
            "RAILS_LOG_TO_STDOUT": "1",
            "RAILS_SERVE_STATIC_FILES": "1",
        },
    ),
    "java": Language(
        "maven:3.9-eclipse-temurin-{version}",
        "21",
        Made("17", "openjdk-17-jdk-headless maven", serves_older=True),
        build_environment={
            "MAVEN_OPTS": "-Dmaven.repo.local=/root/.cache/maven",
            "GRADLE_USER_HOME": "/root/.cache/gradle",
        },
    ),
    "elixir": Language(
        "elixir:{version}-slim",
        "1.18",
        Made("1.14", "elixir erlang-dev erlang-xmerl git build-essential"),
        build_environment={
            "MIX_ENV": "prod",
            # Not among the caches: what is there is needed by steps behind the one that puts it there, which may be
            # known already when the cache is empty.
            "MIX_HOME": "/root/.mix",
            "HEX_HOME": "/root/.cache/hex",
            "LANG": "C.UTF-8",
        },
        # Its folder in /app is the image's, and can't be written to by everyone.
        run_environment={"LANG": "C.UTF-8", "RELEASE_TMP": "/tmp/release", "PHX_SERVER": "true"},  # noqa: S108
    ),
    "dotnet": Language(
        "mcr.microsoft.com/dotnet/sdk:{version}",
        "8.0",
        build_environment={"NUGET_PACKAGES": "/root/.cache/nuget", "DOTNET_CLI_TELEMETRY_OPTOUT": "1"},
        run_environment={"DOTNET_CLI_TELEMETRY_OPTOUT": "1"},
    ),
    "bun": Language(
        "oven/bun:{version}",
        "1",
        Made("1", "ca-certificates", npm=("@oven/bun-linux-{machine}", "bin")),
        build_environment={**_NODE_BUILD, "BUN_INSTALL_CACHE_DIR": "/root/.cache/bun"},
        run_environment={"NODE_ENV": "production", "PATH": "/app/node_modules/.bin:$PATH"},
    ),
    "deno": Language(
        "denoland/deno:debian-{version}",
        "2.5.6",
        Made("2", "ca-certificates", npm=("@deno/linux-{machine}-glibc", "")),
        # What it downloads is read when the app runs, so it is part of the image, and no cache.
        build_environment={"DENO_DIR": "/app/.deno", "DENO_NO_UPDATE_CHECK": "1"},
        run_environment={"DENO_DIR": "/app/.deno", "DENO_NO_UPDATE_CHECK": "1"},
    ),
}


@dataclass(frozen=True)
class Tool:
    """A second language: what of its base is copied, and the links that are made in /usr/local/bin then.

    image: of a program that is no language of ours, and that bases made here have themselves.
    """

    paths: tuple[str, ...]
    links: str = ""
    image: str = ""


TOOLS = {
    "node": Tool(
        ("/usr/local/bin/node", "/usr/local/lib/node_modules"),
        "ln -sf ../lib/node_modules/npm/bin/npm-cli.js npm && ln -sf ../lib/node_modules/npm/bin/npx-cli.js npx",
    ),
    "bun": Tool(("/usr/local/bin/bun",), "ln -sf bun bunx"),
    "composer": Tool(("/usr/bin/composer",), image="composer:{version}"),
}


def is_made_here(base: str) -> bool:
    """Whether a base is one that is made of Debian's packages, not an official one."""
    return base.startswith("better-paas/")


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
