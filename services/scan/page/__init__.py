"""The consumer page: what a person sees who scans a printed code.

One HTML document without outside resources, under 30 KB, in the reader's language, light or dark. It needs no script;
a small one adds what only a script can (the share sheet, hints about the device).
Alternatives considered: a template engine (ten states and three languages are less code than its set-up), a single-page
application (a person in a shop with one bar of signal gets an answer from the first packet instead).
"""

from services.scan.page.render import advice_of, render_message, render_scan
from services.scan.page.report_form import read_form
from services.scan.page.states import HTTP_STATUS, PageState

__all__ = ["HTTP_STATUS", "PageState", "advice_of", "read_form", "render_message", "render_scan"]
