"""Ruby: Rails, Rack, or a program of its own."""

import re

from better_paas.builders import packages, procfile, versions
from better_paas.builders.files import LARGEST_LOCK, Files, exists
from better_paas.builders.languages import LANGUAGES
from better_paas.builders.plan import BuildPlan, NoApp, NoPlan, Overrides

_ASSETS = frozenset({"sprockets", "propshaft", "webpacker", "shakapacker", "vite_rails", "jsbundling-rails"})
_PRECOMPILE = "SECRET_KEY_BASE=build bundle exec rails assets:precompile"
# Those that there are images of, but for what is named as it is.
_OFFERED = ("3.1", "3.2", "3.3", "3.4")
# What makes a Gemfile that of an app.
_SERVES = re.compile(
    r"^[ \t]*+gem ['\"](?:rail(?:s|ties)|rack|rackup|sinatra|hanami|roda|grape|cuba|padrino|puma|unicorn|falcon|thin|"
    r"jekyll|middleman|bridgetown|nanoc|sidekiq|resque)['\"]",
    re.MULTILINE,
)


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Ruby source. Errors: NoPlan if nothing says how to start it, NoApp if it has
    nothing but tools, as those that publish an app for telephones."""
    names = set(files.names())
    commands = [overrides.start_command, *procfile.commands(files).values()]
    runs_ruby = any(re.match(r"(ruby|bundle|rackup|puma|rails)\b", line) for line in commands)
    scripts = [name for name in ("app.rb", "server.rb", "main.rb") if name in names]
    if not {"Gemfile", "config.ru"} & names and not runs_ruby and not scripts:
        return None
    gems = files.read("Gemfile") or ""
    rails = bool(re.search(r"^[ \t]*+gem ['\"]rails['\"]", gems, re.MULTILINE))
    puma = bool(re.search(r"^[ \t]*+gem ['\"]puma['\"]", gems, re.MULTILINE))
    prefix = "bundle exec " if gems else ""
    start = ""
    if rails:
        start = f"{prefix}rails server -b 0.0.0.0 -p $PORT"
    elif "config.ru" in names:
        start = f"{prefix}puma -b tcp://0.0.0.0:$PORT" if puma else f"{prefix}rackup -o 0.0.0.0 -p $PORT"
    elif scripts:
        start = f"{prefix}ruby {scripts[0]}"
    chosen = procfile.start(files, overrides, start)
    is_app = bool(start) or runs_ruby or bool(_SERVES.search(gems))
    if not chosen or (not is_app and "package.json" in names):
        raise (NoPlan if is_app else NoApp)(
            "this is a Ruby source, but nothing says how to start it",
            "Set a start command, or add a Procfile with a line such as 'web: bundle exec ruby app.rb'.",
        )
    # What a compiler has made of the assets is part of the image; keys of the app are no business of the build.
    locked = "Gemfile.lock" in names
    named = re.findall(r"^[ \t]*+gem ['\"]([\w-]+)", gems, re.MULTILINE)
    named += re.findall(r"^    ([\w-]+) \(", (files.head("Gemfile.lock", LARGEST_LOCK) or ""), re.MULTILINE)
    # An app that is an API alone has none to compile, and no task for it. Without a lock that can't be known.
    has_assets = "railties" not in named or not _ASSETS.isdisjoint(named)
    build = _PRECOMPILE if rails and "Rakefile" in names and has_assets else ""
    building, running = packages.needed(packages.RUBY, named)
    release, chosen, notes = (
        _migrations(files, rails, named, overrides, chosen) if chosen == start else ("", chosen, ())
    )
    version, version_note = wanted_version(files, overrides)
    notes = (*notes, version_note) if version_note else notes
    if gems and not locked:
        notes = ("There is no Gemfile.lock: versions may change from build to build.", *notes)
    return BuildPlan(
        runtime="ruby",
        version=version,
        framework="Rails" if rails else "Sinatra" if "sinatra" in gems else "Rack" if "config.ru" in names else "",
        install=overrides.install_command or ("bundle install --jobs 4 --retry 3" if gems else ""),
        build=overrides.build_command or build,
        start=chosen,
        release=release,
        manifests=_manifests(files, gems) if gems and locked and not overrides.install_command else (),
        build_packages=building,
        run_packages=running,
        notes=notes,
    )


def _manifests(files: Files, gems: str) -> tuple[str, ...]:
    """Nothing but these, unless gems of the repository itself are installed."""
    if re.search(r"path:|gemspec|:path", gems):
        return ()
    return ("Gemfile", "Gemfile.lock", *(name for name in (".ruby-version", ".tool-versions") if exists(files, name)))


def _migrations(
    files: Files, rails: bool, gems: list[str], overrides: Overrides, start: str
) -> tuple[str, str, tuple[str, ...]]:
    """(release, start, notes): the database of a Rails app is brought up to date."""
    if not rails or overrides.release_command or not any(name.startswith("db/") for name in files.names()):
        return "", start, ()
    migrate = "bundle exec rails db:migrate"
    if "sqlite3" in gems and not {"pg", "mysql2", "trilogy"} & set(gems):
        note = "The database is a file of the app: it is lost with each deployment, unless it is in a volume."
        return "", f"{migrate} && exec {start}", (note,)
    note = f"“{migrate}” is run before each release; set the release command to “true” to leave that out."
    return migrate, start, (note,)


def wanted_version(files: Files, overrides: Overrides) -> tuple[str, str]:
    """(`3.N`, note): of files for other hosts, .ruby-version, mise.toml, .tool-versions, the Gemfile or its lock."""
    texts = [
        overrides.versions.get("ruby", ""),
        versions.own_file(".ruby-version", files),
        versions.pinned("ruby", files),
    ]
    named = re.search(r"^ruby[ \t]*+\(?(['\"].*)$", files.read("Gemfile") or "", re.MULTILINE)
    if named:
        is_range = any(sign in named[1] for sign in "<>~!")
        wanted = re.sub(r"['\")]", "", named[1])
        texts.append(versions.nearest(wanted, _OFFERED, LANGUAGES["ruby"].newest) if is_range else wanted)
    texts += re.findall(r"^ {2,4}ruby (\d.*)$", files.head("Gemfile.lock", LARGEST_LOCK) or "", re.MULTILINE)
    # Of others than the usual one there are no images.
    other = next((text for text in texts if re.match(r"(?:j|m|truffle)ruby", text)), "")
    version = next((found for text in texts if text != other and (found := versions.parts(text))), "")
    note = versions.no_image("Ruby", other, version or LANGUAGES["ruby"].newest)
    return version, note if other and not overrides.exact("ruby") else ""
