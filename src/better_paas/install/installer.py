# Installs the paas command for this user: curl -fsSL <server>/install/paas | python3 -
# It needs Python 3.11 and nothing else; with uv or pipx it leaves the rest to them.
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

WHEEL = "@WHEEL@"
SERVER = "@SERVER@"


def main():
    if sys.version_info < (3, 11):
        sys.exit(f"paas needs Python 3.11 or newer; this is {sys.version.split()[0]}. With uv: uv tool install {WHEEL}")
    if shutil.which("uv"):
        run("uv", "tool", "install", "--force", WHEEL)
        program = shutil.which("paas") or "paas"
    elif shutil.which("pipx"):
        run("pipx", "install", "--force", WHEEL)
        program = shutil.which("paas") or "paas"
    else:
        program = into_own_environment()
    print(f"\nInstalled: {program}")
    if not shutil.which("paas"):
        print(f'Add its folder to your PATH: export PATH="{Path(program).parent}:$PATH"')
    print(f"Now: paas connect {SERVER}")


def into_own_environment():
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "paas"
    print(f"Installing into {home}")
    try:
        venv.create(home, with_pip=True, clear=True)
    except subprocess.CalledProcessError:
        sys.exit(f"Python's venv is incomplete (Debian: apt install python3-venv). Or with uv: uv tool install {WHEEL}")
    run(str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", WHEEL)
    link = Path.home() / ".local" / "bin" / "paas"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(home / "bin" / "paas")
    return str(link)


def run(*command):
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"'{' '.join(command)}' failed; its own message is above.")


main()
