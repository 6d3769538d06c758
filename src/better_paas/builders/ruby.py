"""Ruby: Rails, Rack, or a program of its own."""

import re

from better_paas.builders import procfile
from better_paas.builders.files import Files
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Ruby source. Errors: NoPlan if nothing says how to start it."""
    names = set(files.names())
    runs_ruby = any(re.match(r"(ruby|bundle|rackup|puma|rails)\b", line) for line in procfile.commands(files).values())
    scripts = [name for name in ("app.rb", "server.rb", "main.rb") if name in names]
    if not {"Gemfile", "config.ru"} & names and not runs_ruby and not scripts:
        return None
    gems = files.read("Gemfile") or ""
    rails = bool(re.search(r"^\s*gem ['\"]rails['\"]", gems, re.MULTILINE))
    puma = bool(re.search(r"^\s*gem ['\"]puma['\"]", gems, re.MULTILINE))
    prefix = "bundle exec " if gems else ""
    start = ""
    if rails:
        start = f"{prefix}rails server -b 0.0.0.0 -p $PORT"
    elif "config.ru" in names:
        start = f"{prefix}puma -b tcp://0.0.0.0:$PORT" if puma else f"{prefix}rackup -o 0.0.0.0 -p $PORT"
    elif scripts:
        start = f"{prefix}ruby {scripts[0]}"
    chosen = procfile.start(files, overrides, start)
    if not chosen:
        raise NoPlan(
            "this is a Ruby source, but nothing says how to start it",
            "Set a start command, or add a Procfile with a line such as 'web: bundle exec ruby app.rb'.",
        )
    # What a compiler has made of the assets is part of the image; keys of the app are no business of the build.
    build = "SECRET_KEY_BASE=build bundle exec rails assets:precompile" if rails and "Rakefile" in names else ""
    locked = "Gemfile.lock" in names
    return BuildPlan(
        runtime="ruby",
        version=wanted_version(files),
        framework="Rails" if rails else "Sinatra" if "sinatra" in gems else "Rack" if "config.ru" in names else "",
        install=overrides.install_command or ("bundle install --jobs 4 --retry 3" if gems else ""),
        build=overrides.build_command or build,
        start=chosen,
        manifests=("Gemfile", "Gemfile.lock") if gems and locked and not re.search(r"path:|gemspec", gems) else (),
        notes=() if locked or not gems else ("There is no Gemfile.lock: versions may change from build to build.",),
    )


def wanted_version(files: Files) -> str:
    """`3.N` of .ruby-version, .tool-versions or the Gemfile; "" if nothing says."""
    texts = [files.read(".ruby-version") or ""]
    texts += re.findall(r"^ruby\s+.*$", files.read(".tool-versions") or "", re.MULTILINE)
    texts += re.findall(r"^ruby\s+['\"].*$", files.read("Gemfile") or "", re.MULTILINE)
    found = next((match for text in texts if (match := re.search(r"(\d+\.\d+)", text))), None)
    return found[1] if found else ""
