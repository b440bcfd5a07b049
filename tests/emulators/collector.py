"""A collector of OpenTelemetry: takes spans over OTLP/HTTP, and checks the key that is sent along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atelier.providers.testing.server import Emulator

KEY = "otlp-emulated-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    """One span as it was exported; ids are hexadecimal, an absent parent is empty."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    attributes: dict[str, Any]
    service: str


class Collector(Emulator):
    """Keeps every span."""

    def __init__(self) -> None:
        super().__init__(Starlette(routes=[Route("/v1/traces", self._export, methods=["POST"])]))
        self.spans: list[CollectedSpan] = []

    @property
    def environ(self) -> dict[str, str]:
        """The variables that export to it."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={KEY}"}

    def named(self, name: str) -> list[CollectedSpan]:
        """Return the spans of that name."""
        return [span for span in self.spans if span.name == name]

    def only(self, name: str) -> CollectedSpan:
        """Return the one span of that name."""
        (found,) = self.named(name)
        return found

    async def _export(self, request: Request) -> Response:
        if request.headers.get("x-api-key") != KEY:
            return Response(status_code=401)
        exported = ExportTraceServiceRequest.FromString(await request.body())
        for resource in exported.resource_spans:
            service = {each.key: _value(each.value) for each in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        CollectedSpan(
                            name=span.name,
                            trace=span.trace_id.hex(),
                            id=span.span_id.hex(),
                            parent=span.parent_span_id.hex(),
                            kind=span.kind,
                            failed=span.status.code == 2,
                            attributes={each.key: _value(each.value) for each in span.attributes},
                            service=str(service),
                        )
                    )
        return Response(b"", media_type="application/x-protobuf")


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")
