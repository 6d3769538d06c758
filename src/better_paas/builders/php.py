"""PHP: Laravel, Symfony, or pages of its own, served by Apache."""

import posixpath
import re
from typing import Any

from better_paas.builders import packages, procfile, versions
from better_paas.builders.files import Files, exists, read_json, read_lock, table
from better_paas.builders.languages import LANGUAGES
from better_paas.builders.plan import BuildPlan, Overrides

# Those that there are images of.
_OFFERED = ("8.0", "8.1", "8.2", "8.3", "8.4", "8.5")
SERVER = "apache2 -DFOREGROUND -f /etc/better-paas-apache.conf"
_FRAMEWORKS = {"laravel/framework": "Laravel", "symfony/framework-bundle": "Symfony"}
_COMPOSER = "composer install --no-dev --no-interaction --no-progress --optimize-autoloader"
# Heroku's servers, alone or behind other commands: options, and the folder that is served.
_THEIR_SERVER = re.compile(
    r"(?>(.*[;&]\s*+))?+(?>exec\s++)?+/?+(?>[\w.-]++/)*+heroku-php-(?:apache2|nginx)(?![\w-])([^;&|]*+)"
)
_WITH_VALUE = re.compile("-[CcFfilp]")
_FOLDER = re.compile(r"[\w.-]++(?>/[\w.-]++)*+")
# Without the sources, which scripts and the autoloader are about: the whole command is run once they are there, and
# finds all packages.
_PACKAGES = "composer install --no-dev --no-interaction --no-progress --no-scripts --no-autoloader"
# Scripts that are run while packages are installed: the whole command would have no occasion to.
_EARLY_SCRIPTS = {"pre-install-cmd", "pre-operations-exec", "pre-package-install", "post-package-install"}
# Folders that Git keeps no empty copies of.
_LARAVEL_FOLDERS = (
    "mkdir -p storage/framework/cache/data storage/framework/sessions storage/framework/views storage/logs "
    "bootstrap/cache"
)
# When it starts, and not when it is built: what is cached holds the app's variables.
_LARAVEL_START = f"(php artisan storage:link --force; php artisan optimize; true) && exec {SERVER}"
# Beside those that Laravel's packages ask for, what it can't do without on each database.
_LARAVEL_EXTENSIONS = ("pdo_mysql", "pdo_pgsql", "bcmath", "opcache")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if there is neither composer.json nor an index.php in a usual place."""
    names = set(files.names())
    folder = next((place for place in ("public", "web", "www") if f"{place}/index.php" in names), "")
    if "composer.json" not in names and "index.php" not in names and not folder:
        return None
    composer = read_json(files, "composer.json")
    wanted = table(composer, "require")
    framework = next((name for key, name in _FRAMEWORKS.items() if key in wanted), "")
    notes = []
    if "composer.json" in names and "composer.lock" not in names:
        notes.append("There is no composer.lock: versions may change from build to build.")
    needs = bool(set(wanted) - {"php"}) or bool(table(composer, "autoload"))
    is_laravel = framework == "Laravel"
    version, note = wanted_version(files, overrides, str(wanted.get("php") or ""))
    if note:
        notes.append(note)
    extensions, unknown = _extensions(files, wanted, is_laravel)
    notes += [f"The PHP extension {name} is not known here; install it with a Dockerfile." for name in unknown]
    served = _LARAVEL_START if is_laravel else SERVER
    start = procfile.start(files, overrides, served)
    if theirs := _THEIR_SERVER.fullmatch(start):
        start = f"{theirs[1]}exec {SERVER}" if theirs[1] else served
        folder, note = _document_root(theirs[2], names, folder)
        notes += [note] if note else []
    release = ""
    if is_laravel and start == _LARAVEL_START and not overrides.release_command:
        release, start, note = _migrations(files, start)
        notes.append(note)
    manifests = _manifests(names, files, composer) if needs and not overrides.install_command else ()
    return BuildPlan(
        runtime="php",
        version=version,
        framework=framework,
        install=overrides.install_command or (_PACKAGES if manifests else _COMPOSER if needs else ""),
        install_app=_COMPOSER if manifests else "",
        build=overrides.build_command or (_LARAVEL_FOLDERS if is_laravel else ""),
        start=start,
        release=release,
        output=folder or ".",
        manifests=manifests,
        extensions=extensions,
        tools={"composer": "2"} if needs else {},
        build_packages=("git", "unzip") if needs else (),
        notes=tuple(notes),
    )


def _document_root(arguments: str, names: set[str], found: str) -> tuple[str, str]:
    """(the folder that a server of Heroku's is asked to serve, note on what else it is asked for)."""
    words = iter(arguments.split())
    note = ""
    for word in words:
        if not word.startswith("-"):
            folder = posixpath.normpath(word.strip("'\"").strip("/") or ".")
            is_folder = _FOLDER.fullmatch(folder) and ".." not in folder.split("/")
            return (folder, note) if is_folder else (found, "The server is told a folder that is not in the app.")
        note = "Options of Heroku's server are not used: nothing but its folder is."
        if _WITH_VALUE.fullmatch(word):
            next(words, "")
    return "" if "index.php" in names else found, note


def _manifests(names: set[str], files: Files, composer: dict[str, Any]) -> tuple[str, ...]:
    """What packages are installed from; () where that may be anything: packages and patches of the repository itself,
    what plugins merge, and scripts that come between."""
    listed = composer.get("repositories")
    places = listed if isinstance(listed, list) else list(table(composer, "repositories").values())
    extra = table(composer, "extra")
    if (
        "composer.lock" not in names
        or not all(_is_elsewhere(place) for place in places if isinstance(place, dict))
        or "merge-plugin" in extra
        or any(name.startswith(("patches", "composer-patches")) for name in extra)
        or _EARLY_SCRIPTS & table(composer, "scripts").keys()
        or exists(files, "vendor/composer/installed.json")
    ):
        return ()
    # Recipes that Symfony has applied are not applied again.
    return tuple(name for name in ("composer.json", "composer.lock", "symfony.lock", "auth.json") if name in names)


def _is_elsewhere(repository: dict[str, Any]) -> bool:
    """Whether its packages come over the network; one without an address turns another off, or holds packages."""
    url = str(repository.get("url") or "")
    return url.startswith(("http://", "https://", "ssh://", "git@")) or all(
        value is False for value in repository.values()
    )


def _migrations(files: Files, start: str) -> tuple[str, str, str]:
    """(release, start, note): the database is brought up to date."""
    migrate = "php artisan migrate --force"
    if re.search(r"env\(\s*+'DB_CONNECTION'\s*+,\s*+'sqlite'\s*+\)", files.head("config/database.php") or ""):
        # Its database is a file of the app unless a variable says otherwise: only the app itself sees that file.
        inside = start.replace("php artisan optimize;", f"{migrate}; php artisan optimize;")
        return "", inside, f"“{migrate}” is run whenever it starts; set a start command to leave that out."
    return (
        migrate,
        start,
        f"“{migrate}” is run before each release; set the release command to “true” to leave that out.",
    )


def _extensions(files: Files, wanted: dict[str, object], is_laravel: bool) -> tuple[tuple[str, ...], list[str]]:
    """(those to add, those that can't be): of composer.json, and of the packages that its lock holds."""
    asked = {name.removeprefix("ext-").lower() for name in wanted if name.startswith("ext-")}
    locked = read_lock(files, "composer.lock").get("packages")
    for each in locked if isinstance(locked, list) else []:
        asked |= {name.removeprefix("ext-").lower() for name in table(each, "require") if name.startswith("ext-")}
    here = packages.EXTENSIONS.keys() | packages.PECL.keys()
    known = asked & here
    added = known | set(_LARAVEL_EXTENSIONS if is_laravel else ())
    return tuple(sorted(added)), sorted(asked - here - packages.EXTENSIONS_OF_BASE)


def wanted_version(files: Files, overrides: Overrides, constraint: str) -> tuple[str, str]:
    """(`8.N`, note): of files for other hosts, composer.json, mise.toml or .tool-versions; "" for the newest."""
    newest = LANGUAGES["php"].newest
    said = overrides.versions.get("php", "")
    # What a tilde keeps is one number more than elsewhere.
    fits = "" if said else versions.nearest(constraint.replace("~", "~="), _OFFERED, newest)
    unfit = "" if said or fits else constraint
    if fits in ("", newest) and (named := said or versions.pinned("php", files)):
        line = versions.parts(named)
        fits, unfit = (line, unfit) if line in _OFFERED else (fits, named)
    used = fits or newest
    note = versions.no_image("PHP", unfit, used) if unfit and not overrides.exact("php") else ""
    return "" if used == newest else used, note
