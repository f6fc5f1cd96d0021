"""Base64 that has one text for one value, so that what is signed or proved has one form (RFC 4648, section 3.5)."""

import base64
import binascii


def strict_base64(text: str) -> bytes:
    """Return the bytes that standard base64 with padding stands for; ValueError unless it is written as we write it."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not base64 as it is written")
    return raw
