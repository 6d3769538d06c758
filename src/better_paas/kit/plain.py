"""Text of strangers made safe to show: nothing in it steers a terminal, hides, or turns the reading direction."""

import re

# Control sequences (ECMA-48), operating system commands such as titles and links, and all other escapes.
_SEQUENCES = re.compile(
    r"[\x1b\x90\x98\x9b\x9d\x9e\x9f](?:(?:(?<=\x9b)|(?<=\x1b)\[)[0-?]*+[ -/]*+[@-~]?+"
    r"|(?:(?<=\x1b)[\]PX^_]|(?<![\x1b\x9b]))[^\x07\x1b\x9c]*+(?>\x07|\x1b\\|\x9c)?+"
    r"|[ -/]*+[0-~]?+)"
)
# Controls but for line feed and tab, zero-width and direction marks, tags, and half characters.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)


def plain(text: str) -> str:
    """The visible text, with its line ends and tabs."""
    if text.isascii() and text.isprintable():
        return text  # most are, and this is a tenth of the work
    return _HIDDEN.sub("", _SEQUENCES.sub("", text.replace("\r\n", "\n")))


def one_line(text: str) -> str:
    """The same on one line, for a name or a cell."""
    return " ".join(plain(text).split())
