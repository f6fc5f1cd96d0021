"""From a printed code to a unit: one answer for every code that is not ours."""

from hashlib import sha256

from services.common.errors import MalformedCode, UnknownCode
from services.scan import metrics
from voketag_kernel import codes
from voketag_kernel.codes import KeyRing


def unit_or_nobody(keys: KeyRing, code: str) -> int:
    """Return the unit that a code names, or one that nobody has when the code is not ours; MalformedCode.

    Nobody's units are below zero, another one for each code: looking one up takes what any never-issued unit takes.
    """
    try:
        unit_id = keys.open(code)
    except codes.MalformedCode as error:
        metrics.MALFORMED.inc()
        raise MalformedCode from error
    nobody = -1 - int.from_bytes(sha256(code.encode()).digest()[:7])
    return nobody if unit_id is None else unit_id


def unknown() -> UnknownCode:
    """Return the error for a code that was not issued, and count it."""
    metrics.UNKNOWN.inc()
    return UnknownCode()
