"""Where CALLVEIL_STANDIN_CLOCK names a file, the service's clock is off by the seconds in that file."""

import os

if path := os.environ.get("CALLVEIL_STANDIN_CLOCK"):
    from datetime import UTC, datetime, timedelta

    from callveil.kit.processing import SystemClock

    def _now(_: SystemClock) -> datetime:
        try:
            with open(path) as file:
                offset_s = float(file.read() or 0)
        except OSError:
            offset_s = 0.0
        return datetime.now(UTC) + timedelta(seconds=offset_s)

    SystemClock.now = _now
