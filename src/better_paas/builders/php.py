"""PHP: Laravel, Symfony, or pages of its own, served by Apache."""

import re

from better_paas.builders import procfile
from better_paas.builders.files import Files, read_json, table
from better_paas.builders.plan import BuildPlan, Overrides

SERVER = "apache2 -DFOREGROUND -f /etc/better-paas-apache.conf"
_FRAMEWORKS = {"laravel/framework": "Laravel", "symfony/framework-bundle": "Symfony"}
_COMPOSER = "composer install --no-dev --no-interaction --no-progress --optimize-autoloader"
# The official image has no composer.
_WITH_COMPOSER = (
    "(command -v composer > /dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends composer"
    f" unzip > /dev/null)) && {_COMPOSER}"
)


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if there is neither composer.json nor an index.php in a usual place."""
    names = set(files.names())
    folder = next((place for place in ("public", "web", "www") if f"{place}/index.php" in names), "")
    if "composer.json" not in names and "index.php" not in names and not folder:
        return None
    wanted = table(read_json(files, "composer.json"), "require")
    framework = next((name for key, name in _FRAMEWORKS.items() if key in wanted), "")
    notes = []
    if "composer.json" in names and "composer.lock" not in names:
        notes.append("There is no composer.lock: versions may change from build to build.")
    install = _WITH_COMPOSER if set(wanted) - {"php"} else ""
    return BuildPlan(
        runtime="php",
        version=wanted_version(str(wanted.get("php") or "")),
        framework=framework,
        install=overrides.install_command or install,
        build=overrides.build_command,
        start=procfile.start(files, overrides, SERVER),
        output=folder or ".",
        notes=tuple(notes),
    )


def wanted_version(constraint: str) -> str:
    """`8.N` that composer.json pins from below; "" if it does not matter."""
    found = re.search(r"(\^|~|>=|==?)?\s*(\d+\.\d+)", constraint)
    return found[2] if found and found[1] in (None, "~", "=", "==") else ""
