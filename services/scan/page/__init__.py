"""The consumer page: what a person sees who scans a printed code.

One HTML document without scripts and without outside resources, under 30 KB, in the reader's language, light or dark.
Alternatives considered: a template engine (ten states and three languages are less code than its set-up), a single-page
application (a person in a shop with one bar of signal gets an answer from the first packet instead).
"""

from services.scan.page.render import render_problem, render_scan
from services.scan.page.states import PageState

__all__ = ["PageState", "render_problem", "render_scan"]
