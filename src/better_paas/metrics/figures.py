"""What is counted while the server runs, and how well its event loop keeps time."""

import asyncio
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_TICK_SECONDS = 5.0


class Figures:
    """One registry for each platform: tests have several in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "better_paas_requests",
            "Requests by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "better_paas_request_seconds",
            "How long requests took; streams are counted to their first byte.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.jobs = Counter(
            "better_paas_jobs", "Jobs that ended, by kind and outcome.", ["kind", "outcome"], registry=self.registry
        )
        self.apps = self._gauge("better_paas_apps", "Apps by state.", "state")
        self.deployments = self._gauge("better_paas_deployments", "Deployments by status.", "status")
        self.queued_jobs = self._gauge("better_paas_queued_jobs", "Jobs that wait.")
        self.oldest_job = self._gauge("better_paas_oldest_job_seconds", "Age of the job that has waited longest.")
        self.loop_lag = self._gauge("better_paas_loop_lag_seconds", "How late the event loop was, at the last look.")
        self.free_bytes = self._gauge("better_paas_free_bytes", "Free space where the state lies.")
        self.engine_up = self._gauge("better_paas_engine_up", "Whether the container engine answers.")
        self.ingress_up = self._gauge("better_paas_ingress_up", "Whether the ingress serves.")
        self.audit_entries = self._gauge("better_paas_audit_entries", "Entries of the audit log.")
        self.lag = 0.0

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, list(labels), registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    async def keep_time(self) -> None:
        """Measure the event loop: what it is late by is what every request waits. Never returns."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK_SECONDS)
            self.lag = max(0.0, time.monotonic() - before - _TICK_SECONDS)
