"""A hundred thousand inputs that nobody meant well: every one gets its refusal, none a crash."""

import string
from collections.abc import Callable
from random import Random
from uuid import UUID

import pytest

from services.common.addresses import network_of
from services.common.errors import InvalidArgument, MalformedCode
from services.scan.codes import unit_or_nobody
from services.scan.language import Language, language_of
from services.scan.networks import Networks
from services.scan.page.report_form import CONTENT_TYPE, read_form
from services.scan.places import Places
from voketag_kernel.codes import KeyRing, UnitCodeKey
from voketag_kernel.ledger import MalformedEntry, read_entry
from voketag_kernel.notes import MalformedNote, NoteNotSigned, VerifierKey, open_note
from voketag_kernel.tlog import Checkpoint, LogProof, MalformedLog, Resource

INPUTS = 10_000
KEY = UnitCodeKey(1, bytes(range(32)))
KEYS = KeyRing([KEY])
VKEY = VerifierKey("a/b", bytes(32))
ALPHABETS = (
    string.ascii_letters + string.digits + "-_",
    string.printable,
    "".join(map(chr, range(0x20))) + "\u2028\u202e\ufeff\U0001f600\ud800é",
    "%.;:/?&=#+@[]<>\"'\\",
)
SEEDS = (
    KEY.mint(7).code,
    "pt-BR,pt;q=0.9,en;q=1e309,*;q=nan",
    "2001:db8::1%eth0",
    "reason=other&details=x&verification_id=0197a1b2-0000-7000-8000-000000000000",
    "tile/0/x001/234.p/5",
    "c2sp.org/tlog-proof@v1\nextra AA==\nindex 1\n\na/b\n1\nAAAA\n\n\u2014 a/b AAAAAAAA\n",
)


def hostile(seed: int) -> str:
    """Return a text: wholly made up, or something good with a few places made bad."""
    random = Random(seed)  # noqa: S311 - which texts are tried is no secret
    if random.random() < 0.5:
        return "".join(random.choices(random.choice(ALPHABETS), k=random.choice((0, 1, 19, 20, 21, 40, 2000))))
    text = list(random.choice(SEEDS))
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(text))
        text[place] = random.choice((text[place] * 2, "", random.choice(random.choice(ALPHABETS))))
        text = text or ["x"]
    return "".join(text)


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


PLACES, NETWORKS = Places(None), Networks(tor=None, vpn=None, hosting=None, anonymous=None)
READERS: dict[str, tuple[Callable[[str], object], tuple[type[Exception], ...]]] = {
    "code": (lambda text: unit_or_nobody(KEYS, text), (MalformedCode,)),
    "language": (language_of, ()),
    "address": (network_of, ()),
    "place": (PLACES.of, ()),
    "network": (NETWORKS.of, ()),
    "form": (lambda text: read_form(CONTENT_TYPE, raw(text)), (InvalidArgument,)),
    "resource": (Resource.parse, (MalformedLog,)),
    "proof": (LogProof.parse, (MalformedLog,)),
    "note": (lambda text: open_note(text, key=VKEY, check=lambda *_: False), (MalformedNote, NoteNotSigned)),
    "entry": (lambda text: (read_entry(raw(text)), Checkpoint.parse(text)), (MalformedEntry, MalformedLog)),
}


@pytest.mark.parametrize("reader", READERS)
def test_ten_thousand_inputs_are_read_or_refused(reader: str) -> None:
    read, refusals = READERS[reader]
    taken = 0
    for seed in range(INPUTS):
        try:
            answer = read(hostile(seed))
        except refusals:
            continue
        taken += 1
        if reader == "code":
            assert isinstance(answer, int)
        if reader == "language":
            assert isinstance(answer, Language)
    assert taken or refusals


def test_a_form_never_yields_what_the_contract_forbids() -> None:
    for seed in range(INPUTS):
        try:
            form = read_form(CONTENT_TYPE, raw(hostile(seed)))
        except InvalidArgument:
            continue
        assert form.verification_id is None or isinstance(form.verification_id, UUID)
        assert len(form.details) <= 2000
        assert len(form.screen_resolution) <= 32
