"""JSON as people write it (JSONC, JSON5), and the part of YAML that settings files use. Both readers are linear."""

import json
import re
from typing import Any

_TOKEN = re.compile(
    r"""//[^\n]*+|/\*[^*]*+(?>\*(?!/)[^*]*+)*+(?>\*/)?+|"(?>[^"\\]|\\.)*+"?+|'(?>[^'\\]|\\.)*+'?+|[A-Za-z_$][\w$]*+|[^"'/A-Za-z_$]++|.""",
    re.DOTALL,
)
_WORDS = ("true", "false", "null")
_DEEPEST = 30
_KEY = re.compile(r"""("[^"]*+"|'[^']*+'|[^\s"'#:\[\]{}&*!|>%@`,-][^:#]*+|-[^\s:][^:#]*+)[ \t]*+:(?:[ \t]++|$)""")


def loads(text: str) -> Any:
    """Errors: ValueError, RecursionError."""
    parts: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token.startswith(("//", "/*")):
            continue
        if token[0] == "'":
            token = json.dumps(token[1:-1].replace("\\'", "'"))
        elif re.fullmatch(r"[A-Za-z_$][\w$]*+", token) and token not in _WORDS and not _in_number(parts, token):
            token = json.dumps(token)
        if token.lstrip()[:1] in ("}", "]"):
            _drop_comma(parts)
        # What stands between two tokens may hold a comma before a bracket of its own.
        parts.append(re.sub(r",(?=\s*+[}\]])", "", token) if token[0] not in "\"'" else token)
    return json.loads("".join(parts))


def _in_number(parts: list[str], token: str) -> bool:
    return bool(re.fullmatch(r"[eE]\d*+", token)) and bool(parts) and parts[-1][-1:].isdigit()


def _drop_comma(parts: list[str]) -> None:
    for index in range(len(parts) - 1, -1, -1):
        stripped = parts[index].rstrip()
        if stripped:
            if stripped.endswith(",") and stripped[0] not in "\"'":
                parts[index] = stripped[:-1]
            return


def yaml(text: str) -> Any:
    """Mappings, lists, plain and quoted words, `|` and `>` blocks, `[a, b]`; {} for an empty text. All words are text,
    but for true, false and numbers. Errors: ValueError for what is none of these, as anchors and tags are not."""
    lines = [line for line in text.splitlines() if not re.match(r"\s*+(#|---|\.\.\.|%)|\s*+$", line) or line[:1] == " "]
    reader = _Yaml([line for line in lines if line.strip() and not line.lstrip().startswith("#")])
    return reader.block(0, 0) if reader.lines else {}


class _Yaml:
    def __init__(self, lines: list[str]) -> None:
        self.lines, self.at = lines, 0

    def _indent(self) -> int:
        line = self.lines[self.at]
        return len(line) - len(line.lstrip(" "))

    def block(self, least: int, depth: int) -> Any:
        """What stands at the next line's depth."""
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        if self.at >= len(self.lines) or self._indent() < least:
            return None
        indent, line = self._indent(), self.lines[self.at].strip()
        if line == "-" or line.startswith("- "):
            return self._list(indent, depth)
        if _KEY.match(line):
            return self._mapping(indent, depth)
        self.at += 1
        return _scalar(line)

    def _list(self, indent: int, depth: int) -> list[Any]:
        found: list[Any] = []
        while self.at < len(self.lines) and self._indent() == indent:
            line = self.lines[self.at]
            rest = line.strip()
            if rest != "-" and not rest.startswith("- "):
                break
            inside = rest[1:].strip()
            if not inside:
                self.at += 1
                found.append(self.block(indent + 1, depth + 1))
            elif _KEY.match(inside) or inside.startswith("- "):
                # A mapping that begins behind its dash: as if the dash were a blank.
                self.lines[self.at] = line.replace("-", " ", 1)
                found.append(self.block(indent + 1, depth + 1))
            else:
                self.at += 1
                found.append(_scalar(inside))
        return found

    def _mapping(self, indent: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.at < len(self.lines) and self._indent() == indent:
            match = _KEY.match(self.lines[self.at].strip())
            if match is None:
                break
            key, rest = match[1].strip().strip("\"'"), self.lines[self.at].strip()[match.end() :].strip()
            self.at += 1
            if re.fullmatch(r"[|>][+-]?", rest):
                found[key] = self._text(indent, rest[0])
            elif rest and not rest.startswith("#"):
                found[key] = _scalar(rest)
            else:
                # A list may stand at the depth of its key.
                is_list = self.at < len(self.lines) and self.lines[self.at].strip().startswith("-")
                found[key] = self.block(indent if is_list else indent + 1, depth + 1)
        if self.at < len(self.lines) and self._indent() > indent:
            raise ValueError(f"can't be read: {self.lines[self.at].strip()[:80]}")
        return found

    def _text(self, indent: int, style: str) -> str:
        kept = []
        while self.at < len(self.lines) and self._indent() > indent:
            kept.append(self.lines[self.at].strip())
            self.at += 1
        return ("\n" if style == "|" else " ").join(kept)


def _scalar(text: str) -> Any:
    quoted = re.match(r"""("(?>[^"\\]|\\.)*+"|'(?>[^']|'')*+')[ \t]*+(?:#.*+)?$""", text)
    if quoted:
        word = quoted[1]
        return word[1:-1].replace("''", "'") if word[0] == "'" else json.loads(word, strict=False)
    text = re.split(r"[ \t]#", text, maxsplit=1)[0].strip()
    if text.startswith("[") and text.endswith("]"):
        return [_scalar(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    if text == "{}":
        return {}
    if text[:1] in ("&", "*", "!", "{", "[", "|", ">"):
        raise ValueError(f"can't be read: {text[:80]}")
    if text in ("true", "false"):
        return text == "true"
    if text in ("null", "~", ""):
        return None
    # One that begins with 0 is a word that would not be the same again.
    return int(text) if re.fullmatch(r"0|-?[1-9]\d{0,14}", text, re.ASCII) else text
