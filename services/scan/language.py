"""Which of our languages a person reads (RFC 9110, section 12.5.4)."""

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache


class Language(Enum):
    """The languages of answers and pages, by BCP 47 tag."""

    ENGLISH = "en"
    PORTUGUESE = "pt-BR"
    SPANISH = "es"


_BY_PRIMARY_TAG = {"en": Language.ENGLISH, "pt": Language.PORTUGUESE, "es": Language.SPANISH}


@lru_cache(maxsize=1_000)
def language_of(accept_language: str) -> Language:
    """Return the language that the header likes best among ours; English when it names none of them."""
    best, best_quality = Language.ENGLISH, 0.0
    for choice in accept_language.split(","):
        tag, _, parameter = choice.partition(";")
        language = _BY_PRIMARY_TAG.get(tag.strip().partition("-")[0].lower())
        quality = _quality(parameter)
        if language is not None and quality > best_quality:
            best, best_quality = language, quality
    return best


def offered(language: Language, languages: Sequence[str]) -> Language:
    """Return a reader's language if a tenant offers it, else the first that the tenant does; none means all."""
    return language if not languages or language.value in languages else Language(languages[0])


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(float(value), 1.0) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
