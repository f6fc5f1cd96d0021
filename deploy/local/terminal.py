"""How the demo looks: headings, ticks, a progress bar and a QR. Colours only where a person watches."""

import io
import os
import sys

import segno

_BAR_CELLS = 36
_COLOURS = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2", "ink": "97;40"}


class Terminal:
    """Writes to standard output."""

    def __init__(self) -> None:
        """Look once whether a person watches (https://no-color.org is obeyed)."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without the characters still shows the demo
        self._watched = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._coloured = self._watched and "NO_COLOR" not in os.environ

    def paint(self, text: str, colour: str) -> str:
        """Return the text in a colour: green, yellow, red, bold, dim, or ink (white on black)."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._coloured else text

    def heading(self, number: int, text: str) -> None:
        """Begin a chapter."""
        self.write(f"\n{self.paint(str(number), 'dim')}  {self.paint(text, 'bold')}")

    def line(self, label: str, text: str) -> None:
        """Write one fact."""
        self.write(f"   {self.paint(f'{label:10}', 'dim')} {text}")

    def tick(self, label: str, text: str) -> None:
        """Write one fact that was checked."""
        self.line(label, f"{self.paint('✓', 'green')} {text}")

    def status(self, text: str) -> None:
        """Say what goes on, over what was said before; silent where nobody watches."""
        if self._watched:
            print(f"\r\x1b[2K   {self.paint(text, 'dim')}", end="", flush=True)

    def clear_status(self) -> None:
        """Wipe the last status."""
        if self._watched:
            print("\r\x1b[2K", end="", flush=True)

    def bar(self, label: str, done: int, total: int) -> None:
        """Draw a progress bar, in place where a person watches, and else line by line."""
        cells = _BAR_CELLS * done // total
        bar = self.paint("█" * cells, "green") + self.paint("░" * (_BAR_CELLS - cells), "dim")
        text = f"   {self.paint(f'{label:10}', 'dim')} {bar} {done:,} / {total:,}"
        if self._watched:
            print(f"\r\x1b[2K{text}", end="\n" if done == total else "", flush=True)
        else:
            self.write(text)

    def qr(self, url: str) -> str:
        """Draw the URL as a QR code, as it is printed (level M), and return its version and size."""
        code = segno.make(url, error="m", micro=False)
        drawn = io.StringIO()
        code.terminal(drawn, border=2, compact=True)
        for row in drawn.getvalue().splitlines():
            self.write(f"   {self.paint(row, 'ink')}")
        modules, _ = code.symbol_size(border=0)
        return f"version {code.version}, {modules} x {modules} modules, error correction M"

    def write(self, text: str) -> None:
        """Write a line."""
        print(text, flush=True)
