"""Where each editor keeps its MCP servers, and in which form. A table: these move."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = "better-paas"
Entry = dict[str, Any]


@dataclass(frozen=True)
class Editor:
    """key: for --only. user, project: files, relative to the home or the project. at: where its servers stand.

    shape: the entry for a command. signs: what shows that it is installed: programs, or folders of the home.
    """

    key: str
    name: str
    user: tuple[Callable[[], Path], ...]
    project: str | None
    at: tuple[str, ...]
    shape: Callable[[list[str]], Entry]
    signs: tuple[str, ...]

    @property
    def installed(self) -> bool:
        return any(shutil.which(sign) or (Path.home() / sign).exists() for sign in self.signs)


def _plain(command: list[str]) -> Entry:
    return {"command": command[0], "args": command[1:]}


def _stdio(command: list[str]) -> Entry:
    return {"type": "stdio", **_plain(command)}


def _local(command: list[str]) -> Entry:
    return {"type": "local", "command": command, "enabled": True}


def _copilot(command: list[str]) -> Entry:
    return {"type": "local", **_plain(command), "tools": ["*"]}


def _home(path: str) -> Callable[[], Path]:
    return lambda: Path.home() / path


def _claude(name: str, below: str) -> Callable[[], Path]:
    """CLAUDE_CONFIG_DIR moves all of Claude Code's files."""

    def place() -> Path:
        moved = os.environ.get("CLAUDE_CONFIG_DIR")
        return Path(moved) / name if moved else Path.home() / below / name

    return place


def _application(linux: str, mac: str, windows: str) -> Callable[[], Path]:
    def place() -> Path:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Application Support" / mac
        if sys.platform == "win32":
            return Path(os.environ.get("APPDATA", str(Path.home()))) / windows
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / linux

    return place


EDITORS = (
    # settings.json is what older versions read; newer ones ignore it.
    Editor("claude", "Claude Code", (_claude(".claude.json", ""), _claude("settings.json", ".claude")), ".mcp.json",
           ("mcpServers",), _stdio, ("claude", ".claude", ".claude.json")),
    Editor("cursor", "Cursor", (_home(".cursor/mcp.json"),), ".cursor/mcp.json", ("mcpServers",), _plain,
           ("cursor", ".cursor")),
    Editor("codex", "Codex", (_home(".codex/config.toml"),), ".codex/config.toml", ("mcp_servers",), _plain,
           ("codex", ".codex")),
    Editor("vscode", "VS Code", (_application("Code/User/mcp.json", "Code/User/mcp.json", "Code/User/mcp.json"),),
           ".vscode/mcp.json", ("servers",), _stdio,
           ("code", ".config/Code", "Library/Application Support/Code", "AppData/Roaming/Code")),
    Editor("copilot", "Copilot CLI", (_home(".copilot/mcp-config.json"),), None, ("mcpServers",), _copilot,
           ("copilot", ".copilot")),
    Editor("windsurf", "Windsurf", (_home(".codeium/windsurf/mcp_config.json"),), None, ("mcpServers",), _plain,
           ("windsurf", ".codeium/windsurf")),
    Editor("gemini", "Gemini CLI", (_home(".gemini/settings.json"),), ".gemini/settings.json", ("mcpServers",), _plain,
           ("gemini", ".gemini")),
    Editor("zed", "Zed", (_application("zed/settings.json", "Zed/settings.json", "Zed/settings.json"),),
           ".zed/settings.json", ("context_servers",), _plain, ("zed", "zeditor", ".config/zed")),
    Editor("opencode", "opencode", (_application("opencode/opencode.json", "opencode/opencode.json",
           "opencode/opencode.json"),), "opencode.json", ("mcp",), _local, ("opencode", ".config/opencode")),
)  # fmt: skip


def command(instance: str | None, shared: bool) -> list[str]:
    """What an editor starts. shared: in a file that others use as well, where our own path means nothing."""
    found = None if shared else shutil.which("paas") or (sys.argv[0] if Path(sys.argv[0]).name == "paas" else None)
    program = [str(Path(found).absolute())] if found else ["paas"]
    return [*program, "mcp", *(["--instance", instance] if instance else [])]
