"""Makes the wheel of the client out of the installed package: what `paas` needs, and nothing of the server.

The form is that of the binary distribution format (PEP 427), version 1.0, and of core metadata 2.1.
"""

import base64
import functools
import hashlib
import io
import zipfile
from importlib import metadata
from pathlib import Path

import better_paas

_NAME = "better_paas_client"
FILE = f"{_NAME}-{better_paas.__version__}-py3-none-any.whl"
_PACKAGE = Path(better_paas.__file__).parent
# Two wheels of the same files are the same bytes: no time of making is in them.
_MOMENT = (1980, 1, 1, 0, 0, 0)


@functools.cache
def client_wheel() -> bytes:
    """The bytes of the wheel named FILE."""
    files = {f"better_paas/{path.relative_to(_PACKAGE).as_posix()}": path.read_bytes() for path in _sources()}
    about = f"{_NAME}-{better_paas.__version__}.dist-info"
    files[f"{about}/METADATA"] = _metadata().encode()
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: better-paas\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{about}/entry_points.txt"] = b"[console_scripts]\npaas = better_paas.cli:main\n"
    files[f"{about}/RECORD"] = _record(files, f"{about}/RECORD").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _sources() -> list[Path]:
    kit = _PACKAGE / "kit"
    used = [kit / name for name in ("__init__.py", "files.py", "plain.py", "secret_forms.py")]
    return [_PACKAGE / "__init__.py", *used, *sorted((_PACKAGE / "cli").glob("*.py"))]


def requirements() -> list[str]:
    """What the client needs besides: the package's own requirements, without those of the extras."""
    return [line for line in metadata.requires("better-paas") or [] if "extra ==" not in line]


def _metadata() -> str:
    lines = [
        "Metadata-Version: 2.1",
        "Name: better-paas-client",
        f"Version: {better_paas.__version__}",
        "Summary: The paas command: deploy to your own Better-PaaS server",
        "License: Apache-2.0",
        "Requires-Python: >=3.11",
        *(f"Requires-Dist: {requirement}" for requirement in requirements()),
    ]
    return "\n".join(lines) + "\n"


def _record(files: dict[str, bytes], own: str) -> str:
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{own},,"]) + "\n"
