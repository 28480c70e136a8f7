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

# Where CALLVEIL_STANDIN_KILL is a number, the process is killed right after so many calls left the store.
if number := os.environ.get("CALLVEIL_STANDIN_KILL"):
    import itertools
    import signal
    from typing import Any

    from callveil.adapters.store_local import LocalStore
    from callveil.adapters.store_s3 import S3Store

    _deleted = itertools.count(1)

    def _killing(delete: Any) -> Any:
        def delete_call(self: Any, prefix: str, *, bypass_governance: bool = False) -> int:
            n_versions: int = delete(self, prefix, bypass_governance=bypass_governance)
            if next(_deleted) == int(number):
                os.kill(os.getpid(), signal.SIGKILL)
            return n_versions

        return delete_call

    for _store in (LocalStore, S3Store):
        _store.delete_call = _killing(_store.delete_call)
