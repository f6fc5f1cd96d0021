"""What is written to an NFC tag: an NDEF message with one URI record (NFC Forum, NDEF 1.0 and URI RTD 1.0)."""

MEDIA_TYPE = "application/octet-stream"
_WHOLE_SHORT_WELL_KNOWN = 0xD1  # MB, ME and SR set; TNF 1, a well-known type
_URI_TYPE = b"U"
_ABBREVIATIONS = {"https://www.": 2, "http://www.": 1, "https://": 4, "http://": 3}
"""Beginnings that take one byte on the tag, the longer ones first."""


def message(url: str) -> bytes:
    """Return the message; ValueError for a URL that a short record cannot hold (254 bytes without its beginning)."""
    beginning = next((each for each in _ABBREVIATIONS if url.startswith(each)), "")
    payload = bytes([_ABBREVIATIONS.get(beginning, 0)]) + url.removeprefix(beginning).encode()
    return bytes([_WHOLE_SHORT_WELL_KNOWN, len(_URI_TYPE), len(payload)]) + _URI_TYPE + payload
