"""What is counted while the server runs, and how well its event loop keeps time."""

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from better_paas.kit.watchdog import LoopWatch

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_log = structlog.get_logger(__name__)


class Metrics:
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
        self.loop_holds = self._gauge("better_paas_loop_holds", "How often the event loop was held for over a second.")
        self.loop_longest_hold = self._gauge("better_paas_loop_longest_hold_seconds", "The longest of these times.")
        self.free_bytes = self._gauge("better_paas_free_bytes", "Free space where the state lies.")
        self.engine_up = self._gauge("better_paas_engine_up", "Whether the container engine answers.")
        self.ingress_up = self._gauge("better_paas_ingress_up", "Whether the ingress serves.")
        self.audit_entries = self._gauge("better_paas_audit_entries", "Entries of the audit log.")
        self.lost_log_lines = self._gauge("better_paas_lost_log_lines", "Lines of the log that could not be written.")
        self.loop = LoopWatch(_held)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, list(labels), registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)


def _held(seconds: float, stack: str) -> None:
    _log.error("the event loop was held: nobody was served", seconds=round(seconds, 1), stack=stack)
