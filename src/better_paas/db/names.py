"""Unique names of rows that are in the trash: they keep theirs with a mark, so that it is free for others."""

# No name that a person can give holds it.
_MARK = "~"


def marked(name: str, identity: str) -> str:
    return f"{unmarked(name)}{_MARK}{identity}"


def unmarked(name: str) -> str:
    """As people know it."""
    return name.partition(_MARK)[0]
