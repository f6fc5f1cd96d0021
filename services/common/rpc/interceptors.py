"""The ordered list of what happens around every call, and each of its entries.

Order, outermost first:
1. metrics - counts every call, refused ones included.
2. tracing - the span covers everything below. Only in the list when an endpoint is set.
3. logging - the line has the final status.
4. authentication - before validation, so that strangers learn nothing about what a method takes.
5. validation - the rules of the contract; the servicer sees only messages that keep them. It looks at messages, and
   does so last wherever it stands: of a stream's messages the first is read once the others have let the call in.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import protovalidate
from google.protobuf.message import Message
from opentelemetry import propagate, trace
from prometheus_client import Histogram

from services.common.caller import Caller, CallerKind
from services.common.credentials import credential_in
from services.common.errors import InvalidArgument, PermissionDenied, Unauthenticated, Unavailable, Violation
from services.common.logs import get_logger
from services.common.rpc.call import Call
from services.common.rpc.methods import Method
from services.common.rpc.pipeline import Interceptor
from services.common.settings import ServerSettings

Authenticate = Callable[[str, str], Awaitable[Caller]]
"""Turns a credential (an API key or a token) and the client's address into the caller, or raises Unauthenticated."""

_log = get_logger(__name__)
_seconds = Histogram(
    "voketag_rpc_seconds",
    "Time of calls by method and gRPC status code, in seconds.",
    ["method", "code"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def standard(settings: ServerSettings, *, authenticate: Authenticate) -> list[Interceptor]:
    """Return the list for a server."""
    chain: list[Interceptor] = [Metrics()]
    if settings.otlp_endpoint:
        chain.append(Tracing())
    if settings.log_calls:
        chain.append(Logging())
    return [*chain, Authentication(authenticate), Validation()]


class Metrics(Interceptor):
    """Observes the time of every call; children are bound once, since label look-up costs more than observing."""

    name = "metrics"

    def __init__(self) -> None:
        self._children: dict[tuple[str, str], Histogram] = {}

    def after(self, method: Method, call: Call, code: str) -> None:
        """Observe the call's time."""
        child = self._children.get((method.name, code))
        if child is None:
            child = self._children.setdefault((method.name, code), _seconds.labels(method.name, code))
        child.observe(time.perf_counter() - call.started)


class Tracing(Interceptor):
    """Makes a server span a call, child of the caller's (W3C trace context)."""

    name = "tracing"

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("voketag")
        self._spans: dict[int, trace.Span] = {}

    async def before(self, method: Method, call: Call) -> None:
        """Start the span."""
        parent = propagate.extract(call.metadata)
        self._spans[id(call)] = self._tracer.start_span(method.name, context=parent, kind=trace.SpanKind.SERVER)

    def after(self, method: Method, call: Call, code: str) -> None:  # noqa: ARG002
        """End the span."""
        if (span := self._spans.pop(id(call), None)) is not None:
            span.set_attribute("rpc.grpc.status_code", code)
            span.set_attribute("voketag.request_id", call.request_id)
            span.end()


class Logging(Interceptor):
    """Writes one line a call, with what finds it again and nothing about its content."""

    name = "logging"

    def after(self, method: Method, call: Call, code: str) -> None:
        """Write the line."""
        milliseconds = round((time.perf_counter() - call.started) * 1000, 1)
        _log.info("call", method=method.name, code_name=code, ms=milliseconds, caller=call.caller.kind.name)


class Authentication(Interceptor):
    """Names the caller and holds it against the method's rule. A method without a rule is refused for everybody."""

    name = "authentication"

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    async def before(self, method: Method, call: Call) -> None:
        """Set `call.caller`, or refuse the call."""
        rule = method.rule
        if not rule.declared:
            raise PermissionDenied("this method is closed: its contract declares no rule")
        if rule.public:
            return
        caller = call.caller = await self._authenticate(_credential(call), call.client_address)
        if caller.kind not in rule.callers:
            raise PermissionDenied("this method is not for this kind of caller")
        if caller.kind is CallerKind.SERVICE:
            if caller.subject not in rule.services:
                raise PermissionDenied("this method is not for this service")
        elif rule.scope not in caller.scopes:
            raise PermissionDenied(f"this needs the scope {rule.scope}", metadata={"scope": rule.scope})

    async def again(self, method: Method, call: Call) -> None:  # noqa: ARG002
        """End a stream whose key was revoked, or has expired. A person's token holds for the streams that it began."""
        if call.caller.kind is CallerKind.API_KEY:
            with suppress(Unavailable):  # a database that is away ends nobody's stream
                await self._authenticate(_credential(call), call.client_address)


def _credential(call: Call) -> str:
    if credential := credential_in(call.metadata):
        return credential
    raise Unauthenticated


_FULLY_CHECKED_BYTES = 8 * 1024
_MOST_VIOLATIONS = 20  # they travel in the trailers, and clients take 16 KiB of those


class Validation(Interceptor):
    """Holds the request against the contract's rules (protovalidate)."""

    name = "validation"

    def message(self, method: Method, request: Message) -> None:  # noqa: ARG002
        """Refuse a request that breaks a rule, naming the fields that do."""
        # A large request stops at its first fault: a list of a million faults would hold the event loop for a minute.
        if found := protovalidate.collect_violations(request, fail_fast=True):
            if request.ByteSize() <= _FULLY_CHECKED_BYTES:
                found = protovalidate.collect_violations(request)
            raise invalid(found[:_MOST_VIOLATIONS])


def invalid(found: Sequence[protovalidate.Violation]) -> InvalidArgument:
    """Return the error for what the validator found."""
    violations = [Violation(_path(violation), violation.proto.message) for violation in found]
    return InvalidArgument(f"{violations[0].field}: {violations[0].description}", violations=violations)


def _path(violation: protovalidate.Violation) -> str:
    field = violation.proto.field
    parts = [element.field_name for element in field.elements] if field else []
    return ".".join(parts) or "request"
