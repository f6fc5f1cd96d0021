"""Which language a reader gets, and that every language says everything."""

from dataclasses import fields

import pytest

from services.scan import messages, risk
from services.scan.language import Language, language_of, offered
from services.scan.model import Verdict
from services.scan.page.states import LOOKS, OF_VERDICT, PageState
from services.scan.page.texts import TEXTS


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", Language.ENGLISH),
        ("pt-BR", Language.PORTUGUESE),
        ("pt", Language.PORTUGUESE),
        ("PT-pt;q=0.8", Language.PORTUGUESE),
        ("es-419,es;q=0.9,en;q=0.8", Language.SPANISH),
        ("en;q=0.5, es;q=0.7, pt;q=0.6", Language.SPANISH),
        ("de-DE,de;q=0.9,pt;q=0.1", Language.PORTUGUESE),
        ("fr", Language.ENGLISH),
        ("*", Language.ENGLISH),
        ("pt;q=0", Language.ENGLISH),
        ("pt;q=nonsense, es;q=0.2", Language.SPANISH),
        ("pt;q=nan, es;q=0.2", Language.SPANISH),
        (",;,;;q=,pt;;", Language.ENGLISH),
        ("estonian", Language.ENGLISH),
    ],
)
def test_the_header_decides_and_english_is_the_default(header: str, language: Language) -> None:
    assert language_of(header) is language


@pytest.mark.parametrize(
    ("reads", "tenant", "gets"),
    [
        (Language.SPANISH, (), Language.SPANISH),
        (Language.SPANISH, ("pt-BR", "es"), Language.SPANISH),
        (Language.SPANISH, ("pt-BR", "en"), Language.PORTUGUESE),
        (Language.ENGLISH, ("es",), Language.SPANISH),
    ],
)
def test_a_tenant_offers_some_languages_and_its_first_to_everybody_else(
    reads: Language, tenant: tuple[str, ...], gets: Language
) -> None:
    assert offered(reads, tenant) is gets


@pytest.mark.parametrize("language", Language)
def test_every_language_has_every_word(language: Language) -> None:
    texts = TEXTS[language]
    assert set(texts.titles) == set(texts.advice) == set(PageState) == set(LOOKS)
    assert set(texts.messages) == set(PageState) - set(OF_VERDICT.values())
    assert len(texts.months) == 12
    assert all(getattr(texts, field.name) for field in fields(texts))


@pytest.mark.parametrize("language", Language)
def test_every_factor_has_its_reason_in_every_language(language: Language) -> None:
    assert len({messages.reason_of(factor, language) for factor in risk.FACTORS}) == len(risk.FACTORS) == 12


def test_every_verdict_has_a_page() -> None:
    assert set(OF_VERDICT) == set(Verdict)
