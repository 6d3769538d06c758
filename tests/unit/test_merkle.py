"""The tree of RFC 6962, and checkpoints as signed notes."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from better_paas.audit.merkle import EMPTY_ROOT, Tree, leaf_hash
from better_paas.audit.notes import Checkpoint, NoteRefused, Signer, Verifier

# Inputs and roots of the test vectors that certificate transparency's own implementation is checked with.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_known_roots():
    tree = Tree()
    assert tree.root() == EMPTY_ROOT == hashlib.sha256(b"").digest()
    for data, root in zip(INPUTS, ROOTS, strict=True):
        tree.push(leaf_hash(bytes.fromhex(data)))
        assert tree.root().hex() == root


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(0, 200))
def test_batches_and_single_leaves_come_to_the_same(batches, start):
    one, many = Tree(), Tree()
    leaves = [leaf_hash(str(number).encode()) for number in range(start + sum(batches))]
    for leaf in leaves:
        one.push(leaf)
    many.extend(leaves[:start])
    position = start
    for count in batches:
        many.extend(leaves[position : position + count])
        position += count
    assert (many.root(), many.frontier, many.size) == (one.root(), one.frontier, one.size)


def test_a_tree_goes_on_from_its_frontier():
    leaves = [leaf_hash(bytes([number])) for number in range(100)]
    whole, first = Tree(), Tree()
    whole.extend(leaves)
    first.extend(leaves[:37])
    later = Tree(first.size, first.frontier)
    later.extend(leaves[37:])
    assert later.root() == whole.root()
    with pytest.raises(ValueError, match="frontier"):
        Tree(5, [b"x"])


def test_a_signed_note_is_opened_by_its_key_alone():
    signer = Signer("paas.example/audit", Ed25519PrivateKey.generate())
    checkpoint = Checkpoint("paas.example/audit", 18274, hashlib.sha256(b"x").digest(), "2026-01-01T00:00:00Z")
    note = signer.sign(checkpoint)
    assert note.splitlines()[:2] == ["paas.example/audit", "18274"]
    verifier = Verifier.parse(signer.verifier.text())
    assert verifier.open(note) == checkpoint
    for changed in (
        note.replace("18274", "18273"),
        note.replace("2026", "2025"),
        note[:-10] + ("A" if note[-10] != "A" else "B") + note[-9:],  # all six bits of it are the signature's
        note.split("\n\n")[0],
    ):
        with pytest.raises(NoteRefused):
            verifier.open(changed)
    stranger = Signer("paas.example/audit", Ed25519PrivateKey.generate())
    with pytest.raises(NoteRefused, match="not signed by this log's key"):
        stranger.verifier.open(note)


@pytest.mark.parametrize("text", ["", "x", "a+b+c", "name+00000000+AAAA", "name+0+" + "A" * 44])
def test_what_is_no_key(text):
    with pytest.raises(NoteRefused):
        Verifier.parse(text)
