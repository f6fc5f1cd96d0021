"""The consumer page at the edge: its HTTP status, HEAD, and what people read when the edge itself has to answer.

A page is an answer of gRPC with status OK, whatever it says, because an error would lose its HTML on the way through
the transcoder. So the service names the page's status in a header, and the last filter on the way out puts it where it
belongs. Alternatives considered: 200 for every page (monitors, crawlers and link previews take a page about an unknown
code for a genuine one), header mutations (they may not change `:status`).

Whoever scans a code gets a page, too, where no scan process answers or the edge refuses: Scan's own for that state.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from services.scan.language import Language
from services.scan.page import PageState, render_message

STATUS_HEADER = "x-page-status"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
_METHODS = ("OpenScanPage", "SubmitReportForm")
_SCRIPT = f"""
function envoy_on_response(answer)
  local headers = answer:headers()
  local status = headers:get("{STATUS_HEADER}")
  if status == nil then return end
  headers:remove("{STATUS_HEADER}")
  if string.match(headers:get("content-type") or "", "^text/html") and string.match(status, "^[2-5]%d%d$") then
    headers:replace(":status", status)
  end
end
"""

# Envoy gives its own answers the type of their bodies, and one to HEAD has none.
_HEAD_SCRIPT = """
function envoy_on_response(answer)
  answer:headers():replace("content-type", "text/html; charset=utf-8")
end
"""

# Where people may come to: a page, its form, or what is left of a link. A call that the transcoder made has another
# path by then.
_PAGE_PATHS = r"/r(/[^?]*)?(\?.*)?"
_OF_PAGE: dict[str, Any] = {
    "or_filter": {
        "filters": [
            {"header_filter": {"header": {"name": name, "string_match": {"safe_regex": {"regex": _PAGE_PATHS}}}}}
            for name in (":path", "x-envoy-original-path")
        ]
    }
}
_STATES = (
    ("EQ", HTTPStatus.TOO_MANY_REQUESTS, PageState.RATE_LIMITED),
    ("GE", HTTPStatus.INTERNAL_SERVER_ERROR, PageState.DOWN),
    ("GE", HTTPStatus.BAD_REQUEST, PageState.MALFORMED),
)
_LANGUAGES = (("pt", Language.PORTUGUESE), ("es", Language.SPANISH), ("", Language.ENGLISH))
"""By how `accept-language` begins, which is the language of a person's browser."""

FILTER = {"@type": _LUA}
"""Does nothing but on the page's routes."""


def of_method(method: str) -> dict[str, Any]:
    """Return what the route of a method that makes pages needs; nothing for others."""
    if method not in _METHODS:
        return {}
    return _runs(_SCRIPT)


def head_route() -> dict[str, Any]:
    """Return the route of HEAD: there is a page. It is no scan, and tells nothing about the code."""
    return {
        "name": "HEAD of a page",
        "match": {"prefix": "/r/", "headers": [{"name": ":method", "string_match": {"exact": "HEAD"}}]},
        "direct_response": {"status": 200},
        "typed_per_filter_config": {
            _TRANSCODER: {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True},
            **_runs(_HEAD_SCRIPT),
        },
    }


def head_reply() -> dict[str, Any]:
    """Return how the answer to HEAD looks: the only one of Envoy's own that is no error."""
    head = {"header_filter": {"header": {"name": ":method", "string_match": {"exact": "HEAD"}}}}
    good = {
        "status_code_filter": {
            "comparison": {"op": "EQ", "value": {"default_value": 200, "runtime_key": "local_reply.200"}}
        }
    }
    return {
        "filter": {"and_filter": {"filters": [head, good]}},
        "body_format_override": {"text_format_source": {"inline_string": ""}},
    }


def own_pages() -> Iterator[dict[str, Any]]:
    """Return how the edge's own answers to people look, instead of the errors that programs get."""
    for comparison, status, state in _STATES:
        value = {"default_value": int(status), "runtime_key": f"page.{status}"}
        has_status = {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}
        for prefix, language in _LANGUAGES:
            header = {"name": "accept-language", "string_match": {"prefix": prefix, "ignore_case": True}}
            reads = [{"header_filter": {"header": header}}] if prefix else []
            yield {
                "filter": {"and_filter": {"filters": [has_status, _OF_PAGE, *reads]}},
                "body_format_override": {
                    "text_format_source": {"inline_string": render_message(state, language).replace("%", "%%")},
                    "content_type": "text/html; charset=utf-8",
                },
            }


def _runs(script: str) -> dict[str, Any]:
    return {"envoy.filters.http.lua": {"@type": f"{_LUA}PerRoute", "source_code": {"inline_string": script}}}
