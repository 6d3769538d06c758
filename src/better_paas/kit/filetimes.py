"""Times of source files: servers make validators of them (ETag, Last-Modified), so a new version must have new ones."""

import os
import time
from pathlib import Path

# What ZIP, and with it Python's wheels, can't tell is refused by the programs that write it.
EARLIEST = 315_619_200  # 1980-01-02, so that it is 1980 in every time zone


def date(file: int | Path, seconds: float) -> None:
    """Set the time of a file, by its path or descriptor, to what a stranger says: neither too early nor to come."""
    moment = int(min(max(seconds, EARLIEST), time.time())) if seconds == seconds else EARLIEST
    if isinstance(file, int):
        os.utime(file, (moment, moment))
    else:
        os.utime(file, (moment, moment), follow_symlinks=False)


def date_tree(folder: Path, seconds: float) -> None:
    """The same for everything below a folder."""
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            date(Path(place, name), seconds)
