"""Run the Faust app of one worker until it is told to stop."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import faust
from prometheus_client import CollectorRegistry

from callveil.adapters.metrics import WorkerMetrics
from callveil.kit import Service
from callveil.pipeline.stream import build_app
from callveil.pipeline.work import Report
from callveil.vocabulary.ledger import CallState

log = logging.getLogger(__name__)


def run_worker(service: Service, name: str, *, metrics_port: int, metrics_host: str) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        service: Ledger, landing, store.
        name: Of this worker, unique in the installation.
        metrics_port: For Prometheus; 0 for none.
        metrics_host: Address of that port.
    """
    metrics = WorkerMetrics(CollectorRegistry())
    if metrics_port:
        metrics.serve(metrics_port, metrics_host)

    def on_report(report: Report) -> None:
        published = report.redacted and report.state is CallState.PUBLISHED
        latency_s = None
        if published and report.arrived_at is not None:
            latency_s = max(0.0, (service.clock.now() - report.arrived_at).total_seconds())
        metrics.settled(
            state=report.state.value,
            error_code=report.error_code,
            timings_s=report.timings_s,
            heard_s=report.heard_s,
            masked_s=report.masked_s,
            leak=report.leak,
            latency_s=latency_s,
        )
        log.info(
            "call settled",
            extra={
                "call_id": report.call_id,
                "state": report.state.value,
                "error": report.error_code,
                "seconds": round(report.timings_s.get("total", 0.0), 3),
                "latency_s": latency_s and round(latency_s, 3),
            },
        )

    def on_queue(lag: Mapping[str, int], pending: int) -> None:
        metrics.queued(lag=lag, pending=pending)

    app = build_app(service, name, on_report, on_queue)
    faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False).execute_from_commandline()
