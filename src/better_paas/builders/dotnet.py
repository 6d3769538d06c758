""".NET: one web project, published."""

import re

from better_paas.builders import procfile
from better_paas.builders.files import Files
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

_WEB = 'Sdk="Microsoft.NET.Sdk.Web"'


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if there is no project file. Errors: NoPlan if it is not clear which one to run."""
    projects = [name for name in files.names() if name.endswith((".csproj", ".fsproj"))]
    if not projects:
        return None
    web = [name for name in projects if _WEB in (files.head(name) or "")] or projects
    if len(web) > 1 and not overrides.build_command:
        raise NoPlan(
            "there are several .NET projects that could be the server",
            "Set the root directory to one of them, or a build command.",
            f"projects: {', '.join(web[:6])}",
        )
    chosen = web[0]
    text = files.head(chosen) or ""
    name = re.search(r"<AssemblyName>([A-Za-z0-9._-]+)</AssemblyName>", text)
    assembly = name[1] if name else chosen.rpartition("/")[2].rpartition(".")[0]
    version = re.search(r"<TargetFramework>net(\d+\.\d+)</TargetFramework>", text)
    if not re.fullmatch(r"[A-Za-z0-9._/-]+", chosen) or not re.fullmatch(r"[A-Za-z0-9._-]+", assembly):
        raise NoPlan("the project's path has characters that can't be used in a command", "Set a build command.")
    start = f"ASPNETCORE_URLS=http://0.0.0.0:$PORT dotnet /app/published/{assembly}.dll"
    return BuildPlan(
        runtime="dotnet",
        version=version[1] if version else "",
        framework="ASP.NET Core" if _WEB in text else "",
        install=overrides.install_command,
        build=overrides.build_command or f"dotnet publish {chosen} -c Release -o /app/published",
        start=procfile.start(files, overrides, start, "dotnet"),
    )
