"""`./test fuzz`: looks for inputs that make a reader of strangers' text fail, or take more than a second.

Each target runs in a process of its own, which begins with the inputs in `corpus/`. What fails is written down, and is
read again without the fuzzer before it counts: that one slows everything.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
MOST_SECONDS = 1.0
# Of the wall clock, where nothing comes back any more.
_HANGS = 20
_MEMORY_MB = 2048
# Beside the product: libraries in Python that read what strangers sent.
_INSTRUMENTED = ["better_paas", "tomllib", "tarfile", "zipfile", "gzip", "csv", "shlex", "urllib", "idna", "jwt"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="./test fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help="all of them without one")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="put the inputs there that reached new code")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read one input again, without the fuzzer")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        _fuzz(options.targets[0], options.child, options.seconds)
    from tests.fuzz.targets import TARGETS

    if unknown := set(options.targets) - set(TARGETS):
        raise SystemExit(f"There is no target {', '.join(unknown)}. There are: {', '.join(TARGETS)}")
    if options.replay is not None:
        timed(reader(options.targets[0]), options.replay.read_bytes())
        return
    if find_spec("atheris") is None:
        raise SystemExit("The fuzzer has no build for this machine or Python. Its corpus is read by: ./test unit")
    found = Path(tempfile.mkdtemp(prefix="fuzz-"))
    # It takes a whole core for each.
    with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)) - 1)) as pool:
        names = options.targets or list(TARGETS)
        good = list(pool.map(lambda name: _run(name, found / name, options.seconds, options.keep), names))
    if all(good):
        shutil.rmtree(found)
    raise SystemExit(0 if all(good) else 1)


def reader(name: str) -> Callable[[bytes], None]:
    """What reads the target's inputs, with all that it imports when it is called first."""
    from tests.fuzz.targets import TARGETS

    TARGETS[name].read(b"")
    return TARGETS[name].read


def timed(read: Callable[[bytes], None], data: bytes) -> None:
    """Errors: those of `read`; AssertionError for one that took too long."""
    started = time.process_time()
    read(data)
    taken = time.process_time() - started
    assert taken <= MOST_SECONDS, f"it took {taken:.1f} s"


def _run(name: str, folder: Path, seconds: int, keep: Path | None) -> bool:
    """Whether nothing was found."""
    for inner in ("new", "failed"):
        (folder / inner).mkdir(parents=True)
    argv = [sys.executable, "-m", "tests.fuzz.run", name, "--child", str(folder), "--seconds", str(seconds)]
    done = subprocess.run(argv, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    failed = sorted((folder / "failed").iterdir())
    figures = [line for line in done.stdout.splitlines() if "DONE" in line or "number_of_executed_units" in line]
    print(f"{name}: {' '.join(' '.join(figures).split()) or 'it did not come to its end'}", flush=True)
    if keep is not None:
        shutil.copytree(folder / "new", keep / name, dirs_exist_ok=True)
    confirmed = [file for file in failed if not _reads_well(name, file)]
    if done.returncode != 0 and not failed:
        print("\n".join(done.stdout.splitlines()[-20:]), flush=True)
        return False
    return not confirmed


def _reads_well(name: str, file: Path) -> bool:
    argv = [sys.executable, "-m", "tests.fuzz.run", name, "--replay", str(file)]
    try:
        done = subprocess.run(
            argv, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_HANGS
        )
        said, is_good = done.stdout, done.returncode == 0
    except subprocess.TimeoutExpired:
        said, is_good = "It never ended.", False
    print(
        f"{file}: only the fuzzer finds it slow"
        if is_good
        else f"\nFAILED with {file.read_bytes()[:300]!r}\n{said}\nAgain: ./test fuzz {name} --replay {file}\n",
        flush=True,
    )
    return is_good


def _fuzz(name: str, folder: Path, seconds: int) -> None:
    """Never returns."""
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        from tests.fuzz.targets import LONGEST, TARGETS
    target = TARGETS[name]
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    given = CORPUS / name
    given.mkdir(parents=True, exist_ok=True)
    arguments = [
        *(sys.argv[0], str(folder / "new"), str(given), f"-dict={words}", f"-artifact_prefix={folder / 'failed'}/"),
        *(f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={_HANGS}", f"-rss_limit_mb={_MEMORY_MB}"),
        *("-print_final_stats=1", "-verbosity=1"),
    ]
    read = reader(name)
    atheris.Setup(arguments, lambda data: timed(read, data))
    atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    main()
