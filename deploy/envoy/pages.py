"""The consumer page at the edge: its HTTP status, and HEAD.

A page is an answer of gRPC with status OK, whatever it says, because an error would lose its HTML on the way through
the transcoder. So the service names the page's status in a header, and the last filter on the way out puts it where it
belongs. Alternatives considered: 200 for every page (monitors, crawlers and link previews take a page about an unknown
code for a genuine one), header mutations (they may not change `:status`).
"""

from typing import Any

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


def _runs(script: str) -> dict[str, Any]:
    return {"envoy.filters.http.lua": {"@type": f"{_LUA}PerRoute", "source_code": {"inline_string": script}}}
