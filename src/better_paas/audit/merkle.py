"""The tree over the log: hashing as in RFC 6962, section 2.1. Pure."""

import hashlib
from collections.abc import Iterable

_sha256 = hashlib.sha256
EMPTY_ROOT = _sha256(b"").digest()


def leaf_hash(record: bytes) -> bytes:
    return _sha256(b"\0" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return _sha256(b"\1" + left + right).digest()


def leaf_hashes(records: list[bytes]) -> list[bytes]:
    """The same for many: written out, since a call for each is a third of what it costs."""
    return [_sha256(b"\0" + record).digest() for record in records]


class Tree:
    """Grows leaf by leaf and keeps only one hash for each bit of its size, so memory does not grow with the log."""

    def __init__(self, size: int = 0, frontier: Iterable[bytes] = ()) -> None:
        """frontier: roots of the complete subtrees, the largest first; one for each bit that is set in `size`."""
        self.size = size
        self._subtrees = list(frontier)
        if len(self._subtrees) != size.bit_count():
            raise ValueError("the frontier does not fit the size")

    @property
    def frontier(self) -> tuple[bytes, ...]:
        return tuple(self._subtrees)

    def push(self, leaf: bytes) -> None:
        size, subtrees = self.size, self._subtrees
        while size & 1:
            leaf = node_hash(subtrees.pop(), leaf)
            size >>= 1
        subtrees.append(leaf)
        self.size += 1

    def extend(self, leaves: list[bytes]) -> None:
        """The same as `push` for each, in less time: whole subtrees are hashed level by level."""
        position, count = 0, len(leaves)
        while position < count:
            # The largest complete subtree that may begin at this size.
            width = (self.size & -self.size) if self.size else 1 << 20
            while width > count - position:
                width >>= 1
            level = leaves[position : position + width]
            while len(level) > 1:  # written out: this is most of what proving a log costs
                nodes = iter(level)
                level = [_sha256(b"\1" + left + right).digest() for left, right in zip(nodes, nodes, strict=True)]
            self._add_subtree(level[0], width)
            position += width

    def _add_subtree(self, root: bytes, width: int) -> None:
        size = self.size // width
        while size & 1:
            root = node_hash(self._subtrees.pop(), root)
            size >>= 1
        self._subtrees.append(root)
        self.size += width

    def root(self) -> bytes:
        if not self._subtrees:
            return EMPTY_ROOT
        root = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            root = node_hash(subtree, root)
        return root
