"""From a printed code to a unit: one answer for every code that is not ours."""

from services.common.errors import MalformedCode, UnknownCode
from services.scan import metrics
from voketag_kernel import codes
from voketag_kernel.codes import KeyRing


def unit_id_of(keys: KeyRing, code: str) -> int:
    """Return the unit that a code names; MalformedCode, or UnknownCode whatever else is wrong with it."""
    try:
        unit_id = keys.open(code)
    except codes.MalformedCode as error:
        metrics.MALFORMED.inc()
        raise MalformedCode from error
    if unit_id is None:
        raise unknown()
    return unit_id


def unknown() -> UnknownCode:
    """Return the error for a code that was not issued, and count it."""
    metrics.UNKNOWN.inc()
    return UnknownCode()
