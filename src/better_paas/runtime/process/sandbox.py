"""What a command of an app is run with, as an argv list: bubblewrap's view of the machine, a user, limits. Pure.

As root the sandbox is made by root, and what runs in it becomes a user of the app's own before it begins. Else a user
namespace makes it. Where bubblewrap is missing or may make no sandbox, the command runs as it is.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_FILES = 4096
_OF_IMAGES = re.compile(r"(?<![\w./-])/(venv|tools|site)/")
_PROCESSES = 512
# Of the machine, to be read: programs, libraries and how names are resolved.
_READ = ("/usr", "/etc", "/opt", "/run/systemd/resolve")
_LINKS = {"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64"}


@dataclass(frozen=True)
class Means:
    """What there is on this machine. bubblewrap: its path, or "" for no sandbox. is_root: whether we are."""

    bubblewrap: str
    is_root: bool


@dataclass(frozen=True)
class Place:
    """Folders of one release or build, and where it finds them; none lies in another, so that nothing that an app may
    write to decides what is bound. temporary: all else that it may write to.

    site: what a static site is served by; nothing that an app runs may write there. writable: whether app and tools
    may be written to, as a build does. programs: folders of language runtimes. mounts: (folder, path, whether it may
    be written to) of volumes.
    """

    app: Path
    tools: Path
    venv: Path
    site: Path
    temporary: Path
    user: int
    writable: bool = False
    programs: tuple[Path, ...] = ()
    mounts: tuple[tuple[Path, str, bool], ...] = ()


def command(means: Means, place: Place, argv: list[str], memory: int) -> list[str]:
    """`argv`, in paths of an image, in its sandbox. memory: bytes that each of its processes may take; 0: no limit."""
    # By their paths: what is run as root must not be looked for where the app put its own programs.
    limits = ["/usr/bin/prlimit", f"--nofile={_FILES}", *([f"--data={memory}"] if memory else [])]
    # A supervisor that is killed takes its processes along: a sandbox sees to that, or this.
    rights = [] if means.bubblewrap else ["--pdeathsig=KILL"]
    if means.is_root:
        limits += [f"--nproc={_PROCESSES}"]  # it counts by user, and only here the app has one of its own
        rights += [f"--reuid={place.user}", f"--regid={place.user}", "--clear-groups"]
        rights += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    sandbox = _bubblewrap(means, place) if means.bubblewrap else []
    setpriv = ["/usr/bin/setpriv", *rights] if rights else []
    return [*sandbox, *setpriv, *limits, "--", *(seen(means, place, word) for word in argv)]


def _bubblewrap(means: Means, place: Place) -> list[str]:
    made = [means.bubblewrap, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    if not means.is_root:
        made += ["--unshare-user"]
    for path in _READ:
        made += ["--ro-bind-try", path, path]
    for path, target in _LINKS.items():
        made += ["--symlink", target, path] if Path(path).is_symlink() else ["--ro-bind-try", path, path]
    made += ["--proc", "/proc", "--dev", "/dev", "--bind", str(place.temporary), "/tmp"]  # noqa: S108
    for folder in place.programs:
        if not folder.is_relative_to("/usr"):
            root = _root_of(folder, place)
            made += [*_open_way(root), "--ro-bind-try", str(root), str(root)]
    bind = "--bind" if place.writable else "--ro-bind"
    made += [bind, str(place.app), "/app", bind, str(place.tools), "/tools", bind, str(place.venv), "/venv"]
    made += ["--ro-bind", str(place.site), "/site"]
    for source, path, writable in place.mounts:
        made += [*_open_way(Path(path)), "--bind" if writable else "--ro-bind", str(source), path]
    return [*made, "--chdir", "/app"]


def _root_of(folder: Path, place: Place) -> Path:
    """What lies beside a folder of programs belongs to them, unless people's files or ours lie there too."""
    beside = folder.parent
    home = Path.home()
    holds_others = any(path.is_relative_to(beside) for path in (place.app, place.temporary, home, home / ".local"))
    return beside if folder.name == "bin" and not holds_others else folder


def _open_way(path: Path) -> list[str]:
    """Folders above `path` that the app's user gets through: those that bubblewrap makes by itself are root's alone."""
    return [word for folder in reversed(path.parents[:-1]) for word in ("--perms", "0755", "--dir", str(folder))]


def seen(means: Means, place: Place, text: str) -> str:
    """A text with paths of an image, as they are where there is no sandbox to make them so."""
    if means.bubblewrap:
        return text
    real = {"venv": f"{place.venv}/", "tools": f"{place.tools}/", "site": f"{place.site}/"}
    return _OF_IMAGES.sub(lambda match: real[match[1]], text)


# What the loader and the C library obey. Programs of ours run with the app's variables before it does: as root, or
# outside the sandbox. The list is the loader's own, for programs that gain rights.
_OBEYED = {
    "GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "NIS_PATH", "NLSPATH",
    "RESOLV_HOST_CONF", "RES_OPTIONS", "TZDIR",
}  # fmt: skip


def harmless(variables: dict[str, str]) -> dict[str, str]:
    """Variables of an app without those that would change how the sandbox is made."""
    return {
        name: value
        for name, value in variables.items()
        if name not in _OBEYED and not name.startswith(("LD_", "MALLOC_"))
    }


def folders(means: Means, place: Place) -> tuple[str, str, str]:
    """(app, tools, temporary folder) as a command in there sees them."""
    if means.bubblewrap:
        return "/app", "/tools", "/tmp"  # noqa: S108
    return str(place.app), str(place.tools), str(place.temporary)
