"""For those who run the server: whether it runs, whether it takes calls, and what /metrics shows.

Requests and vendors' failures are counted as they happen; jobs, money and queues are read when they are asked for.
"""

from __future__ import annotations

import time
from http import HTTPMethod
from typing import TYPE_CHECKING, cast

import anyio
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier.providers.core.errors import ImageError
from atelier.server.http.routing import router_of
from atelier.server.mcp.server import AtelierServer
from atelier.server.observability.logs import log

if TYPE_CHECKING:
    from atelier.server.database.jobs import SqlJobStore

SECONDS = (0.05, 0.25, 1, 2.5, 5, 10, 20, 40, 60, 120, 300)
LOOK_TIMEOUT = 5.0  # seconds for everything that is looked up; the rest is shown without it
DATABASE_TIMEOUT = 2.0  # seconds
NO_JOB = "job_0"
METHODS = frozenset(HTTPMethod)  # a client may send any word as one


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "atelier_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._latency = Histogram(
            "atelier_http_request_seconds", "Time to the end of an answer.", ("route",),
            registry=self.registry, buckets=SECONDS,
        )  # fmt: skip
        self._exchanges = Counter(
            "atelier_vendor_exchanges", "Exchanges with vendors; outcome is ok or the reason of the failure.",
            ("vendor", "outcome"), registry=self.registry,
        )  # fmt: skip
        self._waiting = self._gauge("atelier_queue_waiting", "Calls that wait for a slot.", "vendor")
        self._jobs = self._gauge("atelier_jobs", "Jobs in the job store.", "state")
        self._spent = self._gauge("atelier_spent_usd", "Money spent or held, in USD, since the books begin.", "vendor")
        self._uploads = Gauge("atelier_uploads_waiting", "Images in the upload queue.", registry=self.registry)

    def _gauge(self, name: str, what: str, label: str) -> Gauge:
        return Gauge(name, what, (label,), registry=self.registry)

    def record_exchange(self, vendor: str, outcome: str) -> None:
        """Count an exchange with a vendor."""
        self._exchanges.labels(vendor, outcome).inc()

    def record_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method if method in METHODS else "other", route, status).inc()
        self._latency.labels(route).observe(seconds)

    async def text(self, server: AtelierServer) -> bytes:
        """Return everything in Prometheus' text format. What cannot be looked up keeps its last value."""
        for vendor, count in server.state.service.pipeline.waiting.items():
            self._waiting.labels(vendor).set(count)
        with anyio.move_on_after(LOOK_TIMEOUT):
            try:
                await self._update_gauges(server)
            except ImageError as error:
                log.error("metrics are incomplete", extra={"facts": {"why": error.message}})
        return generate_latest(self.registry)

    async def _update_gauges(self, server: AtelierServer) -> None:
        store = cast("SqlJobStore", server.state.service.pipeline.store)
        for state, count in (await store.count_by_state()).items():
            self._jobs.labels(state).set(count)
        for row in await store.spend_by("vendor"):
            self._spent.labels(row.name).set(float(row.usd))
        queues = await anyio.to_thread.run_sync(server.storages.all)
        self._uploads.set(sum([await queue.count() for queue in queues]))


class MeasuredRequests:
    """An ASGI app that counts the requests to another. An address that is not served counts as `other`."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the app's lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 499  # a client that is gone before the answer

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.record_request(scope["method"], route, status, time.monotonic() - began)


def router(server: AtelierServer, metrics: Metrics) -> APIRouter:
    """Return the routes."""
    routes = router_of(server, public=True, tags=["operation"])

    @routes.get("/healthz")
    async def healthy() -> Response:
        """Answer while the process runs."""
        return JSONResponse({"ok": True})

    @routes.get("/readyz")
    async def ready() -> Response:
        """Return whether calls are taken: 503 while the server ends, and when the database cannot be used."""
        why = "The server is about to end." if server.draining else await _database_trouble(server)
        if why:
            return JSONResponse({"ready": False, "why": why}, 503, {"Retry-After": "5"})
        return JSONResponse({"ready": True})

    @routes.get("/metrics", response_class=Response)
    async def measured() -> Response:
        """Return metrics in Prometheus' text format. On an address that is not loopback it needs a token."""
        return Response(await metrics.text(server), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes


async def _database_trouble(server: AtelierServer) -> str:
    try:
        with anyio.fail_after(DATABASE_TIMEOUT):
            await server.state.service.pipeline.store.get_job(NO_JOB)
    except (ImageError, TimeoutError):
        return "The database cannot be used; the log says why."
    return ""
