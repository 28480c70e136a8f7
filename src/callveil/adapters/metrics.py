"""Prometheus metrics. METRICS in README lists them; names follow prometheus.io/docs/practices/naming."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from callveil.errors import CallveilError
from callveil.ports import Books, Clock, Ledger
from callveil.vocabulary.rights import RequestState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LATENCY_BUCKETS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400)
_STAGE_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class WorkerMetrics:
    """What a worker counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._settled = Counter(
            "callveil_calls_settled", "Times a call was settled in a state.", ["state"], registry=registry
        )
        self._errors = Counter(
            "callveil_call_errors", "Attempts that ended in an error.", ["code"], registry=registry
        )
        self._stages = Histogram(
            "callveil_stage_seconds",
            "Wall time of a step for one call.",
            ["stage"],
            buckets=_STAGE_BUCKETS_S,
            registry=registry,
        )
        self._heard = Counter("callveil_audio_seconds", "Seconds of calls redacted.", registry=registry)
        self._masked = Counter(
            "callveil_masked_seconds", "Seconds masked, by kind.", ["kind"], registry=registry
        )
        self._leaks = Counter(
            "callveil_verify_failures", "Calls that could not be proven clean.", registry=registry
        )
        self._latency = Histogram(
            "callveil_publish_latency_seconds",
            "From a call's arrival to its publication.",
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )

        self._lag = Gauge(
            "callveil_queue_lag", "Events of a topic not yet taken.", ["topic"], registry=registry
        )
        self._pending = Gauge(
            "callveil_pending_calls", "Calls taken from Kafka that wait for a process.", registry=registry
        )

    def queued(self, *, lag: Mapping[str, int], pending: int) -> None:
        """Note how much waits, in the partitions of this worker and in the worker itself."""
        for topic, events in lag.items():
            self._lag.labels(topic).set(events)
        self._pending.set(pending)

    def settled(
        self,
        *,
        state: str,
        error_code: str | None,
        timings_s: Mapping[str, float],
        heard_s: float,
        masked_s: Mapping[str, float],
        leak: bool,
        latency_s: float | None,
    ) -> None:
        """Count what came of one call."""
        self._settled.labels(state).inc()
        if error_code is not None:
            self._errors.labels(error_code).inc()
        for stage, seconds in timings_s.items():
            self._stages.labels(stage).observe(seconds)
        self._heard.inc(heard_s)
        for kind, seconds in masked_s.items():
            self._masked.labels(kind).inc(seconds)
        if leak:
            self._leaks.inc()
        if latency_s is not None:
            self._latency.observe(latency_s)

    def serve(self, port: int, address: str) -> None:
        """Answer scrapes on a port of their own."""
        start_http_server(port, address, self._registry)


class ApiMetrics:
    """What the API counts, and ledger and books in numbers."""

    def __init__(self, ledger: Ledger, books: Books, clock: Clock) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_LedgerCollector(ledger, books, clock))
        self._pushes = Counter(
            "callveil_pushes", "Answers to pushes, by HTTP status.", ["status"], registry=self._registry
        )
        self._seconds = Histogram(
            "callveil_push_seconds",
            "Time to answer a push.",
            buckets=_REQUEST_BUCKETS_S,
            registry=self._registry,
        )
        self._bytes = Counter("callveil_ingested_bytes", "Bytes of audio taken in.", registry=self._registry)
        self.live = Gauge(
            "callveil_live_streams", "Streams of live calls that are open.", registry=self._registry
        )

    def pushed(self, *, status: int, seconds: float, n_bytes: int) -> None:
        """Count one push."""
        self._pushes.labels(str(status)).inc()
        self._seconds.observe(seconds)
        self._bytes.inc(n_bytes)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class _LedgerCollector(Collector):
    def __init__(self, ledger: Ledger, books: Books, clock: Clock) -> None:
        self._ledger, self._books, self._clock = ledger, books, clock

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("callveil_ledger_up", "1 while the ledger answers.")
        try:
            now: datetime = self._clock.now()
            counts = self._ledger.counts(now=now)
            notices = self._books.notices.notices(waiting=True)
            requests = self._books.requests.requests(states=(RequestState.OPEN, RequestState.RUNNING))
            unfinished = self._books.removals.unfinished()
        except CallveilError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        calls = GaugeMetricFamily("callveil_calls", "Calls in the ledger, by state.", labels=["state"])
        for state, number in counts.by_state.items():
            calls.add_metric([state.value], number)
        yield calls
        for name, text, value in (
            ("callveil_events_unsent", "Events the broker has not got yet.", counts.unsent),
            (
                "callveil_oldest_waiting_seconds",
                "Age of the oldest call that is neither done nor held.",
                counts.oldest_waiting_s,
            ),
            ("callveil_landed_calls", "Calls whose audio lies in the landing.", counts.landed),
            (
                "callveil_notices_late",
                "Notices to recipients without a receipt in time.",
                sum(notice.due_at <= now for notice in notices),
            ),
            (
                "callveil_requests_late",
                "Requests of persons that are overdue.",
                sum(request.due_at <= now for request in requests),
            ),
            (
                "callveil_removals_unfinished",
                "Deletions that were decided and are not finished, 500 at most.",
                len(unfinished),
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)
