"""The printed URL's QR version against one that carries a 240-character token, at level M.

A smaller version has fewer, larger modules on the same label: it is read from farther away and survives more wear.
"""

import segno

from bench import report
from voketag_kernel.codes import UnitCodeKey

BASE = "https://verify.voke.tag/"  # 24 characters before the code
TOKEN_CHARACTERS = 240


def main() -> None:
    """Compare, print and write."""
    code = UnitCodeKey(1, bytes(range(32))).mint(123_456).code
    ours = segno.make(BASE + code, error="m", micro=False)
    theirs = segno.make(BASE + "A" * TOKEN_CHARACTERS, error="m", micro=False)
    modules = {"ours": ours.symbol_size(border=0)[0], "token": theirs.symbol_size(border=0)[0]}
    report.write(
        "qr_size",
        {
            "url_characters": len(BASE + code),
            "version": {"ours": ours.version, "token": theirs.version},
            "modules": modules,
        },
    )
    print(f"QR version {ours.version} (token of {TOKEN_CHARACTERS} characters: {theirs.version}); limit 4")
    print(f"modules a side: {modules['ours']} against {modules['token']}")


if __name__ == "__main__":
    main()
