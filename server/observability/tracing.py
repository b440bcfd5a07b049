"""Whether spans are exported: only where OpenTelemetry's own variables name a collector.

Without them nothing of the OpenTelemetry SDK is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec

from atelier.providers.core import tracing
from atelier.server.observability.logs import log

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"

Flush = Callable[[], None]


def start_tracing(*, prompts: bool, environ: Mapping[str, str] = os.environ) -> Flush:
    """Export spans from now on if a collector is named. Returns what sends the last ones, before the process ends.

    `prompts` puts prompts in the spans.
    """
    if not _is_wanted(environ):
        return _nothing
    if find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter") is None:
        log.warning("Spans are not exported: install atelier-mcp[otel].")
        return _nothing
    protocol = next((environ[name] for name in PROTOCOLS if environ.get(name)), HTTP)
    if protocol != HTTP:
        log.warning(f"Spans are exported by {HTTP}, the only protocol that Atelier has; {PROTOCOLS[1]} asks for other.")
    from atelier.server.observability.otel import OtelTracer, exporting_provider

    provider = exporting_provider()
    tracing.install(OtelTracer(provider, prompts=prompts))
    return provider.flush_and_stop


def _is_wanted(environ: Mapping[str, str]) -> bool:
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not disabled and any(environ.get(name) for name in ENDPOINTS)


def _nothing() -> None:
    """Do nothing: no span waits."""
