"""JSON logs, one object a line on stderr, with the request id of the call in hand and without secrets."""

import logging
import sys
from typing import Any, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from services.common.rpc.call import current_call

_REDACTED_PARTS = ("password", "secret", "token", "authorization", "api_key", "private")
_REDACTED_KEYS = frozenset({"code", "email", "user_agent", "client_address"})


def configure(*, service: str, level: str) -> None:
    """Set up logging for this process; third-party loggers go the same way."""
    numeric = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_call,
            redact,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = _ThirdParty()
    logging.basicConfig(level=max(numeric, logging.WARNING), handlers=[handler], force=True)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module."""
    return cast(FilteringBoundLogger, structlog.get_logger(module=name))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace values that a log must not keep: credentials, unit codes and personal data."""
    for key in event:
        if key in _REDACTED_KEYS or any(part in key for part in _REDACTED_PARTS):
            event[key] = "[redacted]"
    return event


def _add_call(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if (call := current_call.get()) is not None:
        event.setdefault("request_id", call.request_id)
        event.setdefault("method", call.method)
    return event


class _ThirdParty(logging.Handler):
    """Hands records of libraries to structlog, so that a process writes one format."""

    def emit(self, record: logging.LogRecord) -> None:
        # grpc takes a header that is not UTF-8 as Latin-1 and prints it here, with its traceback: the header may be a
        # credential, with a no-break space behind it that somebody copied along.
        if str(record.msg).startswith("Invalid encoding on"):
            return
        details: dict[str, Any] = {"exc_info": record.exc_info} if record.exc_info else {}
        get_logger(record.name).log(record.levelno, record.getMessage(), **details)
