"""Pages of other sites that may read the platform's answers: an allow-list, and nobody is on it by default (CORS, of
the Fetch standard).

No cookies exist, so an allowed page can do what its own credentials let it do, or what anybody can. Alternatives
considered: any origin for the public methods (a maker's rivals could show its verdicts as their own).
"""

import re
from typing import Any

from deploy.envoy import limits
from deploy.envoy.settings import EnvoySettings

_CORS = "type.googleapis.com/envoy.extensions.filters.http.cors.v3"
_NAME = "envoy.filters.http.cors"
_ORIGIN = re.compile(r"https?://[^/*\s]+")
_METHODS = ("GET", "POST", "PATCH", "DELETE")
_REQUEST_HEADERS = (
    *("authorization", "content-type", "x-api-key", "x-request-id", "x-screen-resolution", "x-timezone"),
    *("grpc-timeout", "x-grpc-web", "x-user-agent"),
)
_ANSWER_HEADERS = (
    *("grpc-message", "grpc-status", "grpc-status-details-bin", "retry-after", "x-request-id"),
    *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
)
_REMEMBERED_SECONDS = 600

FILTER = {"@type": f"{_CORS}.Cors"}
"""Goes by the policy of the virtual host."""


def policy(settings: EnvoySettings) -> dict[str, Any]:
    """Return what the virtual host needs; ValueError for what is not an origin."""
    for origin in settings.allowed_origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} must be an origin, such as https://shop.example")
    if not settings.allowed_origins:
        return {}
    return {
        "typed_per_filter_config": {
            _NAME: {
                "@type": f"{_CORS}.CorsPolicy",
                "allow_origin_string_match": [{"exact": origin} for origin in settings.allowed_origins],
                "allow_methods": ", ".join(_METHODS),
                "allow_headers": ", ".join(_REQUEST_HEADERS),
                "expose_headers": ", ".join(_ANSWER_HEADERS),
                "max_age": str(_REMEMBERED_SECONDS),
            }
        }
    }


def route() -> dict[str, Any]:
    """Return the last route. Before the transcoder most paths of REST have none, and without one there is no policy.

    Nothing takes it in the end: what the transcoder does not know, it refuses.
    """
    return {"match": {"prefix": "/", "headers": [limits.NOT_GRPC]}, "route": {"cluster": "scan"}}
