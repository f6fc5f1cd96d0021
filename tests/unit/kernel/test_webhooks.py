"""Signatures of Standard Webhooks, against its published example and an HMAC made by hand."""

import base64

import pytest

from voketag_kernel.webhooks import format_secret, is_signed, parse_secret, sign

# The example that the specification's libraries test themselves with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = {"webhook_id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "body": b'{"test": 2432232314}'}
TIMESTAMP = 1614265330
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104, spelled out."""
    from hashlib import sha256

    block = key.ljust(64, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def test_the_published_example_has_its_published_signature() -> None:
    assert sign([parse_secret(SECRET)], timestamp=TIMESTAMP, **MESSAGE) == SIGNATURE
    by_hand = hmac_sha256(
        base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}',
    )
    assert "v1," + base64.b64encode(by_hand).decode() == SIGNATURE


def test_every_key_signs_and_any_of_them_suffices() -> None:
    keys = [bytes(range(24)), bytes(range(32))]
    header = sign(keys, timestamp=TIMESTAMP, **MESSAGE)
    assert len(header.split(" ")) == 2
    for key in keys:
        assert is_signed(header, [b"x" * 24, key], timestamp=str(TIMESTAMP), **MESSAGE)
    assert not is_signed(header, [b"x" * 24], timestamp=str(TIMESTAMP), **MESSAGE)


@pytest.mark.parametrize(
    "header",
    ["", "v1", "v1,", "v1a," + SIGNATURE[3:], SIGNATURE[3:], SIGNATURE[:-1], SIGNATURE + "=", "v1,\xff", "," * 5],
)
def test_what_is_no_signature_of_ours_does_not_count(header: str) -> None:
    assert not is_signed(header, [parse_secret(SECRET)], timestamp=str(TIMESTAMP), **MESSAGE)


def test_signatures_of_other_versions_may_stand_beside_ours() -> None:
    header = f"v1a,AAAA {SIGNATURE} v2,BBBB"
    assert is_signed(header, [parse_secret(SECRET)], timestamp=str(TIMESTAMP), **MESSAGE)


def test_a_secret_is_a_prefix_and_base64_of_its_key() -> None:
    key = bytes(range(32))
    assert format_secret(key) == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert parse_secret(format_secret(key)) == key
    assert parse_secret(format_secret(key).removeprefix("whsec_")) == key


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_!" + "A" * 40, "whsec_" + "A" * 88, "ä" * 40])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="a webhook secret"):
        parse_secret(secret)
