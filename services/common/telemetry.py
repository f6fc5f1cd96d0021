"""Metrics and traces of a process: Prometheus text on a loopback port, OpenTelemetry spans to an OTLP endpoint."""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import start_http_server

from services.common.settings import ProcessSettings


def start(settings: ProcessSettings, *, service: str) -> None:
    """Serve metrics and set up tracing, each where the settings ask for it."""
    if settings.metrics_port:
        start_http_server(settings.metrics_port, addr="127.0.0.1")
    if settings.otlp_endpoint:
        provider = TracerProvider(resource=Resource.create({"service.name": f"voketag-{service}"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint)))
        trace.set_tracer_provider(provider)
