"""The OpenTelemetry SDK: the tracer behind `providers/core/tracing.py`, and the export of spans over OTLP/HTTP.

The provider is set for the whole process, so two libraries export their spans as well: the MCP SDK one for each
message, in the trace that `_meta.traceparent` names, and FastAPI one for each request, in the trace of its header.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from threading import Thread

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, format_trace_id

from atelier.providers.core.errors import ImageError
from atelier.providers.core.tracing import Attributes, Kind, Span

NAME = "atelier"

LAST_EXPORT_TIMEOUT = 3.0  # seconds that the end of the process waits for a collector

KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "client": SpanKind.CLIENT,
}


class ExportingProvider(TracerProvider):
    """A provider whose spans a thread exports in batches."""

    def flush_and_stop(self) -> None:
        """Export what waits, for at most LAST_EXPORT_TIMEOUT."""
        stopping = Thread(target=self.shutdown, daemon=True)
        stopping.start()
        stopping.join(LAST_EXPORT_TIMEOUT)


def exporting_provider() -> ExportingProvider:
    """Return the provider of this process, as OpenTelemetry's variables describe it."""
    own = Resource.create({"service.name": NAME, "service.version": version("atelier-mcp")})
    provider = ExportingProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


class OtelSpan:
    """A span of OpenTelemetry. It never has an error's message, which may quote a prompt."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def trace_id(self) -> str | None:
        """The id of the trace, in hexadecimal digits."""
        context = self._span.get_span_context()
        return format_trace_id(context.trace_id) if context.is_valid else None

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})

    def fail(self, error: BaseException) -> None:
        """Mark the step as failed, by the reason of an ImageError or the type of another error."""
        self._span.set_attribute("error.type", _type_of(error))
        self._span.set_status(StatusCode.ERROR)


class OtelTracer:
    """Begins spans of OpenTelemetry."""

    def __init__(self, provider: TracerProvider, *, prompts: bool) -> None:
        self.records_prompts = prompts
        self._tracer = provider.get_tracer(NAME, version("atelier-mcp"))

    @contextmanager
    def span(self, name: str, attributes: Attributes, kind: Kind) -> Generator[Span]:
        """Record what happens within the block."""
        with self._tracer.start_as_current_span(
            name, kind=KINDS[kind], record_exception=False, set_status_on_exception=False
        ) as started:
            span = OtelSpan(started)
            span.set(attributes)
            try:
                yield span
            except BaseException as error:
                span.fail(error)
                raise

    def current(self) -> Span:
        """Return the span that the running task is in."""
        return OtelSpan(trace.get_current_span())


def _type_of(error: BaseException) -> str:
    if isinstance(error, ImageError):
        return error.reason.value
    return type(error).__name__ if isinstance(error, Exception) else "cancelled"
