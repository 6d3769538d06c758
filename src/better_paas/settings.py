"""Every setting, in one place. `docs/reference/settings.md` lists them; a test fails when one is missing there."""

import ipaddress
import os
import re
import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from better_paas.builders.languages import LANGUAGES
from better_paas.cloudflare.client import PUBLIC_ADDRESS as CLOUDFLARE
from better_paas.domains.hosts import normalise
from better_paas.errors import Invalid
from better_paas.firewall.rules import Opening

_LONGEST_DOMAIN = 200
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
_STREAM = r"(https?://|syslog://)[^\s]{1,300}"
_ANCHOR = r"(file:/|https?://|syslog://|git\+(https?|ssh)://|s3://[a-z0-9])[^\s]{1,300}"


def default_data_dir() -> Path:
    """`/var/lib/better-paas` as root, else below the user's own data folder; never the working directory."""
    if os.geteuid() == 0:
        return Path("/var/lib/better-paas")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    return Path(base) / "better-paas"


class Settings(BaseSettings):
    """Read from the environment, then from `settings.env` in the data directory."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    better_paas_data_dir: Path = Field(default_factory=default_data_dir, description="Where all state lives.")
    listen_addr: str = Field(":8080", description="Address and port of the API and dashboard.")
    admin_token: str | None = Field(
        None, min_length=16, description="Pins the admin token. Unset: one is made on first run."
    )
    database_url: str = Field(
        "",
        max_length=1000,
        pattern=r"^(postgres(ql)?://\S+)?$",
        description="PostgreSQL that keeps the state, as postgresql://user:password@host/database; it may be shared "
        "by several servers. Unset: SQLite in the data directory.",
    )
    better_paas_secret_key: str | None = Field(
        None,
        description="Key that seals stored secrets: 32 bytes, hex or base64. Unset: secret.key, made on first run.",
    )
    better_paas_secret_key_previous: str | None = Field(
        None, description="The key until now, while BETTER_PAAS_SECRET_KEY changes; everything is sealed anew at start."
    )
    show_admin_token_on_startup: bool = Field(False, description="Print the admin token at every start.")
    dashboard_origin: str = Field(
        "", description="Comma list of other origins whose pages may use the API and WebSockets."
    )
    audit_anchors: str = Field(
        "",
        description="Where signed checkpoints of the audit log are kept besides: comma list of file:/path, "
        "https://…, syslog://host:port, git+https://… or git+ssh://…, s3://bucket/prefix.",
    )
    audit_git_token: str = Field(
        "", description="Credential of a git+ anchor: a token, user:password, or the path of a private key for ssh."
    )
    audit_s3_endpoint: str = Field("", description="Address of the storage of an s3:// anchor; empty for AWS.")
    audit_s3_region: str = Field("us-east-1", description="Region of an s3:// anchor.")
    audit_s3_access_key_id: str = Field("", description="Access key of an s3:// anchor.")
    audit_s3_secret_access_key: str = Field("", description="Secret key of an s3:// anchor.")
    audit_streams: str = Field(
        "",
        description="Where audit entries are sent as they come: comma list of https://… (JSON lines), syslog://host:port.",
    )
    agent_suspend_denials: int = Field(
        30, ge=0, le=10_000, description="Denials within AGENT_SUSPEND_MINUTES that suspend a token; 0 for never."
    )
    agent_suspend_destructive: int = Field(
        10, ge=0, le=10_000, description="Destructive calls within AGENT_SUSPEND_MINUTES that suspend it; 0 for never."
    )
    agent_suspend_minutes: int = Field(5, ge=1, le=1440, description="The time that these two count over.")
    notify_url: str = Field(
        "",
        max_length=500,
        pattern=r"^(https?://\S+)?$",
        description="Web address that gets what wants a person's eyes (approvals, suspended tokens) as JSON.",
    )
    paas_ui_url: str | None = Field(None, description="The dashboard's URL if it is not the API's own.")
    trust_proxy: str = Field(
        "false",
        description="Believe X-Forwarded-For and X-Forwarded-Proto: true for one proxy in front, or a comma list of "
        "the networks that the proxies are in.",
    )
    log_format: Literal["console", "json"] = Field("console", description="Form of the server's own log.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    apps_domain: str | None = Field(
        None, description="Apps get <app>.<this domain> with HTTPS. Point *.<domain> at the server."
    )
    public_address: str | None = Field(
        None, description="The server's public IP address. Unset: found from the network interfaces."
    )
    acme_email: str | None = Field(None, description="Address for the certificate authority's notices.")
    acme_directory: str = Field(
        "",
        max_length=300,
        pattern=r"^(https://\S+)?$",
        description="Directory of another certificate authority that speaks ACME.",
    )
    acme_root: Path | None = Field(None, description="File with the root certificate of that authority.")
    cloudflare_api: str = Field(
        CLOUDFLARE, max_length=300, pattern=r"^https?://\S+$", description="Address of Cloudflare's API."
    )
    dns_spread_seconds: int = Field(
        20, ge=0, le=600, description="Seconds until a new DNS record is known to all servers of its zone."
    )
    paas_domain: str | None = Field(None, description="Name of the control plane: the ingress serves it with HTTPS.")
    ingress_address: str = Field(
        "",
        max_length=60,
        pattern=r"^[0-9A-Za-z.:\[\]-]*$",
        description="Address that the ingress listens on. Empty: all.",
    )
    http_port: int = Field(80, ge=1, le=65535, description="Port of the ingress for HTTP.")
    https_port: int = Field(443, ge=1, le=65535, description="Port of the ingress for HTTPS.")
    ingress_tls: Literal["auto", "off", "external"] = Field(
        "auto",
        description="auto: certificates are fetched. off: HTTP only. external: a proxy in front ends TLS.",
    )

    runtime: Literal["docker", "process"] = Field(
        "docker",
        description="What runs apps. process: this machine itself, where no engine can be had; it isolates less.",
    )
    process_agents: bool = Field(
        False, description="Agent tokens may deploy with RUNTIME=process too: what they deploy runs on this machine."
    )
    docker_host: str | None = Field(
        None,
        pattern=r"^(unix:///\S+|tcp://\S+:[0-9]+)$",
        max_length=300,
        description="The engine's address: unix:///path, or tcp://host:port (without TLS). Unset: the local socket.",
    )
    app_ports: str = Field("20000-29999", description="Host ports (on 127.0.0.1) that releases are published on.")
    app_networks: str = Field("10.201.0.0/16", description="Private range that the projects' networks are made in.")
    apps_firewall: bool = Field(
        True, description="Keep apps and builds from the cloud's metadata and from what listens on this machine."
    )
    apps_may_reach: str = Field(
        "",
        max_length=2000,
        description="Comma list of addresses or networks, each with :port or for all ports, that apps and builds may "
        "reach though APPS_FIREWALL keeps them from it; such as 10.0.0.5:5432. IPv6 in brackets.",
    )
    default_memory: str = Field("1g", description="Memory limit of an app that sets none; empty for no limit.")
    default_cpus: str = Field("", description="CPU limit of an app that sets none; empty for no limit.")
    health_timeout: int = Field(300, ge=1, le=3600, description="Seconds that a release has to become healthy.")
    hold_seconds: int = Field(
        120, ge=1, le=3600, description="Longest time that requests wait while an app with a volume changes over."
    )
    watch_minutes: int = Field(
        5, ge=0, le=1440, description="Minutes that a new release is watched for, to go back if it fails; 0 for never."
    )
    drain_seconds: int = Field(30, ge=0, le=3600, description="Longest time that an old release finishes requests.")
    trash_days: int = Field(7, ge=0, le=3650, description="Days that a deleted app can be restored; 0 for no trash.")
    keep_images: int = Field(5, ge=1, le=50, description="Images kept for each app, for rollbacks.")

    builder: Literal["auto", "api", "cli", "classic"] = Field(
        "auto", description="How images are built: BuildKit by the engine's API, by its CLI, or the old builder."
    )
    build_concurrency: int = Field(2, ge=1, le=32, description="Deployments that run at the same time.")
    disk_floor_mb: int = Field(
        1024, ge=0, le=10**7, description="Free disk space in MiB below which no deployment begins."
    )
    build_memory: str = Field(
        "", description="Memory of all builds together, such as 4g; empty for three quarters of the server's."
    )
    build_cpus: str = Field(
        "", description="CPUs of all builds together, such as 1.5; empty for three quarters of the server's."
    )
    build_cache_max_gb: int = Field(
        20, ge=0, le=100_000, description="Size in GB to which the engine's build cache is trimmed; 0 for never."
    )
    build_timeout: int = Field(1800, ge=5, le=86400, description="Seconds that building an image may take.")
    build_ca_file: Path | None = Field(
        None, description="CA bundle that build steps trust, for networks with a certificate authority of their own."
    )
    base_image_python: str = Field(LANGUAGES["python"].official, description="Base for Python apps.")
    base_image_node: str = Field(LANGUAGES["node"].official, description="Base for Node apps.")
    base_image_static: str = Field(LANGUAGES["static"].official, description="Base for static sites.")
    base_image_run: str = Field(LANGUAGES["run"].official, description="What compiled programs run on.")
    base_image_go: str = Field(LANGUAGES["go"].official, description="Base for Go apps.")
    base_image_rust: str = Field(LANGUAGES["rust"].official, description="Base for Rust apps.")
    base_image_php: str = Field(LANGUAGES["php"].official, description="Base for PHP apps.")
    base_image_ruby: str = Field(LANGUAGES["ruby"].official, description="Base for Ruby apps.")
    base_image_java: str = Field(LANGUAGES["java"].official, description="Base for Java apps.")
    base_image_elixir: str = Field(LANGUAGES["elixir"].official, description="Base for Elixir apps.")
    base_image_dotnet: str = Field(LANGUAGES["dotnet"].official, description="Base for .NET apps.")
    base_image_bun: str = Field(LANGUAGES["bun"].official, description="Base for Bun apps.")
    base_image_deno: str = Field(LANGUAGES["deno"].official, description="Base for Deno apps.")
    deployment_log_max_mb: int = Field(16, ge=1, le=1024, description="Size at which a deployment's log stops growing.")

    git_allowed_private_hosts: str = Field(
        "", description="Comma list of hosts or networks that Git sources may use though they are private."
    )
    registry_allowed_private_hosts: str = Field(
        "",
        description="Comma list of hosts or networks of registries that Dockerfiles may name though they are private.",
    )
    git_timeout: int = Field(300, ge=5, le=3600, description="Seconds that fetching a source may take.")
    source_max_mb: int = Field(500, ge=1, le=10240, description="Largest source tree.")

    @field_validator("trust_proxy")
    @classmethod
    def _proxies(cls, value: str) -> str:
        if value.strip().lower() in ("true", "false", "1", "0", "yes", "no"):
            return "true" if value.strip().lower() in ("true", "1", "yes") else "false"
        try:
            return ",".join(str(ipaddress.ip_network(part, strict=False)) for part in _comma_list(value))
        except ValueError:
            raise ValueError("must be true, false or networks such as 10.0.0.0/8,203.0.113.7") from None

    @field_validator("apps_domain", "paas_domain")
    @classmethod
    def _domain(cls, value: str | None) -> str | None:
        try:
            name = None if value is None else normalise(value)
        except Invalid as error:
            raise ValueError(f"{error.error}. {error.hint}") from None
        if name is not None and len(name) > _LONGEST_DOMAIN:
            raise ValueError(f"must be at most {_LONGEST_DOMAIN} characters: names of apps come before it")
        return name

    @field_validator("public_address")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return None if value is None else str(ipaddress.ip_address(value))

    @field_validator("build_memory", "default_memory")
    @classmethod
    def _memory(cls, value: str) -> str:
        if value and not re.fullmatch(r"[1-9]\d{0,11}[bkmgBKMG]?", value):
            raise ValueError("must be a number with b, k, m or g, such as 512m")
        return value

    @field_validator("build_cpus", "default_cpus")
    @classmethod
    def _cpus(cls, value: str) -> str:
        if value and not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", value):
            raise ValueError("must be a number such as 0.5")
        return value

    @field_validator("app_networks")
    @classmethod
    def _network_range(cls, value: str) -> str:
        network = ipaddress.ip_network(value)
        if network.version != 4 or not network.is_private or network.prefixlen > 24:
            raise ValueError("must be a private IPv4 range of at least /24, such as 10.201.0.0/16")
        return str(network)

    @field_validator("apps_may_reach")
    @classmethod
    def _openings(cls, value: str) -> str:
        for part in _comma_list(value):
            Opening.parse(part)
        return value

    @property
    def openings(self) -> tuple[Opening, ...]:
        return tuple(Opening.parse(part) for part in _comma_list(self.apps_may_reach))

    @field_validator("app_ports")
    @classmethod
    def _port_range(cls, value: str) -> str:
        match = re.fullmatch(r"(\d{4,5})-(\d{4,5})", value)
        if not match or not 1024 <= int(match[1]) < int(match[2]) <= 65535:
            raise ValueError("must be a range such as 20000-29999, within 1024-65535")
        return value

    @property
    def base_images(self) -> dict[str, str]:
        """Patterns of the base images by language."""
        return {name: str(getattr(self, f"base_image_{name}")) for name in LANGUAGES}

    @property
    def data_dir(self) -> Path:
        return self.better_paas_data_dir

    @property
    def port_range(self) -> range:
        first, last = self.app_ports.split("-")
        return range(int(first), int(last) + 1)

    @property
    def listen(self) -> tuple[str, int]:
        host, _, port = self.listen_addr.rpartition(":")
        return host.strip("[]") or "0.0.0.0", int(port)

    @property
    def proxies(self) -> Networks | None:
        """Who is believed in front of the API: the proxies in front of the server, and its own ingress if that is."""
        outer = self.outer_proxies
        if not self.paas_domain or outer == ():
            return outer
        return (*(outer or ()), ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

    @property
    def outer_proxies(self) -> Networks | None:
        """Networks of trusted proxies; none named: one proxy whatever its address; None: nobody is believed."""
        if self.trust_proxy == "false":
            return None
        return () if self.trust_proxy == "true" else tuple(map(ipaddress.ip_network, _comma_list(self.trust_proxy)))

    @field_validator("audit_anchors")
    @classmethod
    def _anchors(cls, value: str) -> str:
        return _checked(
            value, _ANCHOR, "file:/path, https://…, syslog://host:port, git+https://… or s3://bucket/prefix"
        )

    @field_validator("audit_streams")
    @classmethod
    def _streams(cls, value: str) -> str:
        return _checked(value, _STREAM, "https://… or syslog://host:port")

    @property
    def anchors(self) -> tuple[str, ...]:
        return _comma_list(self.audit_anchors)

    @property
    def streams(self) -> tuple[str, ...]:
        return _comma_list(self.audit_streams)

    @property
    def private_git_hosts(self) -> tuple[str, ...]:
        return _comma_list(self.git_allowed_private_hosts)

    @property
    def private_registries(self) -> tuple[str, ...]:
        return _comma_list(self.registry_allowed_private_hosts)

    @property
    def origins(self) -> tuple[str, ...]:
        return _comma_list(self.dashboard_origin)


def _checked(value: str, pattern: str, form: str) -> str:
    for part in _comma_list(value):
        if not re.fullmatch(pattern, part):
            raise ValueError(f"'{part[:60]}' must be {form}")
    return value


def _comma_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def load() -> Settings:
    """Settings of this process. Errors: pydantic's ValidationError, which names the variable."""
    data_dir = Path(os.environ.get("BETTER_PAAS_DATA_DIR") or default_data_dir())
    return Settings(_env_file=data_dir / "settings.env")


def load_or_exit() -> Settings:
    """The same, for a command: a wrong setting is told, and ends it with exit code 2."""
    try:
        return load()
    except ValidationError as error:
        for fault in error.errors():
            name = ".".join(str(part) for part in fault["loc"]).upper()
            sys.stderr.write(f"better-paas: {name}: {fault['msg'].removeprefix('Value error, ')}\n")
        sys.stderr.write("See docs/reference/settings.md for all settings.\n")
        raise SystemExit(2) from None
