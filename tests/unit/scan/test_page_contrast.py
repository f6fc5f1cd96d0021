"""The page's colours against each other (WCAG 2.2, success criterion 1.4.3: at least 4.5 to 1)."""

import re

import pytest

from services.scan.page.style import SHEET

_SCHEMES = re.findall(r":root\{([^}]*)\}", SHEET)
_TONES = ("good", "caution", "danger", "quiet")


def test_there_is_a_light_and_a_dark_scheme() -> None:
    assert len(_SCHEMES) == 2


@pytest.mark.parametrize("scheme", range(2))
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "ground"),
        ("ink", "card"),
        ("soft", "ground"),
        ("soft", "card"),
        *((tone, f"{tone}-wash") for tone in _TONES),
        *(("ink", f"{tone}-wash") for tone in _TONES),
        *(("card", tone) for tone in _TONES),
    ],
)
def test_text_stands_out_from_its_ground(scheme: int, text: str, ground: str) -> None:
    colours = dict(re.findall(r"--([a-z-]+):#([0-9a-f]{3,6})", _SCHEMES[scheme]))
    light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    full = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    parts = [int(full[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
