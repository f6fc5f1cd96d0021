"""Signed notes: what Go's own implementation signed opens here, and nothing that was changed does."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from voketag_kernel.notes import MalformedNote, NoteNotSigned, VerifierKey, open_note, sign_note

# The example of Go's golang.org/x/mod/sumdb/note documentation: a key and a note that it signed.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_a_note_of_another_implementation_opens() -> None:
    key = VerifierKey.parse(GO_KEY)
    assert str(key) == GO_KEY
    assert open_note(GO_NOTE, key=key, check=holds).startswith("If you think cryptography")


@pytest.mark.parametrize("place", [0, 10, 57, 200, -5])
def test_a_note_that_was_changed_does_not(place: int) -> None:
    letter = "X" if GO_NOTE[place] != "X" else "Y"
    changed = GO_NOTE[:place] + letter + GO_NOTE[place:][1:]
    with pytest.raises((NoteNotSigned, MalformedNote)):
        open_note(changed, key=VerifierKey.parse(GO_KEY), check=holds)


def test_what_is_signed_opens_with_its_key_only() -> None:
    private, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    key = VerifierKey("example.com/log", private.public_key().public_bytes_raw())
    note = sign_note("example.com/log\n1\nAAAA\n", key=key, sign=private.sign)
    assert open_note(note, key=key, check=holds) == "example.com/log\n1\nAAAA\n"
    stranger = VerifierKey("example.com/log", other.public_key().public_bytes_raw())
    with pytest.raises(NoteNotSigned):
        open_note(note, key=stranger, check=holds)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "\n\n\u2014 a AAAA\n",
        "text\n\n\u2014 a AAAA",
        "text\n\n- a AAAAAAAA\n",
        "a\x00\n\n\u2014 a AAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_malformed(note: str) -> None:
    with pytest.raises(MalformedNote):
        open_note(note, key=VerifierKey.parse(GO_KEY), check=holds)


@pytest.mark.parametrize("key", ["", "a", "a+b", "a+12345678+AAAA", GO_KEY.replace("c74f", "c74e"), " " + GO_KEY])
def test_what_is_no_key_is_malformed(key: str) -> None:
    with pytest.raises(MalformedNote):
        VerifierKey.parse(key)


@pytest.mark.parametrize("text", ["no newline", "two\n\nparts\n"])
def test_a_text_that_would_not_open_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedNote):
        sign_note(text, key=VerifierKey.parse(GO_KEY), sign=lambda _: bytes(64))
