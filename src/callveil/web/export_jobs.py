"""Archives that are made behind a page: for the session that asked, once, and for an hour at most.

Where a job stands is in a file beside its archive, so any process that serves this data folder can tell.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from callveil.adapters.local_files import file_errors, write_whole
from callveil.errors import CallveilError, NotFoundError, StoreError
from callveil.kit import Office
from callveil.pipeline.export import export_subject
from callveil.pipeline.subjects import Subject
from callveil.web.export_file import KEPT_S, clear_exports, new_export_folder

ID = r"^[A-Za-z0-9_]{1,32}$"
"""Of a job."""

_SILENT_S = 300.0
"""A job that has said nothing for so long, and is not of this process, was killed."""

_SAY_EVERY_S = 0.5

_ARCHIVE, _STATE = "export.zip", "job.json"

WAITING, RUNNING, READY, FAILED = "waiting", "running", "ready", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Where an export stands.

    Attributes:
        owner: Digest of the session that asked.
        state: "waiting", "running", "ready" or "failed".
        portable: Of Art. 20.
        done: Calls in the archive.
        of: All of them; 0 while it is not known.
        n_recordings: With a recording, once it is ready.
        n_bytes: Of the archive, once it is ready.
        request_id: In the register, once it is ready.
        problem: What failed.
    """

    owner: str
    state: str = WAITING
    portable: bool = False
    done: int = 0
    of: int = 0
    n_recordings: int = 0
    n_bytes: int = 0
    request_id: str = ""
    problem: str = ""


class ExportJobs:
    """Makes archives and hands them out.

    Args:
        office: Every place.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._own: set[str] = set()
        self._lock = threading.Lock()

    def begin(
        self,
        find: Callable[[], Subject],
        *,
        owner: str,
        portable: bool,
        actor: str,
        behind: Callable[[Callable[[], object]], None],
    ) -> str:
        """Begin an export; returns the id of its job.

        Args:
            find: Finds the person, once it is begun.
            owner: Digest of the session that asks, and that alone may fetch it.
            portable: Only calls that Art. 20 covers.
            actor: As in the audit chain.
            behind: Has work done.

        Raises:
            StoreError: There is no room for it.
        """
        folder = new_export_folder(self._office.site.data)
        job = Job(owner=owner, portable=portable)
        try:
            self._write(folder, job)
            with self._lock:
                self._own.add(folder.name)
            behind(lambda: self._make(folder, job, find, actor))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder.name

    def look(self, job_id: str, owner: str) -> Job:
        """Where a job stands.

        Raises:
            NotFoundError: There is none, it is of another session, or its archive is gone.
        """
        folder, job = self._find(job_id, owner)
        if job.state in (WAITING, RUNNING) and job_id not in self._own:
            try:
                silent_s = time.time() - (folder / _STATE).stat().st_mtime
            except OSError:
                raise _no_job() from None
            if silent_s > _SILENT_S:
                return replace(job, state=FAILED, problem="It was interrupted. Start it again.")
        return job

    def of(self, owner: str) -> tuple[tuple[str, Job], ...]:
        """Jobs of a session with their ids."""
        root = self._office.site.data / "exports"
        names = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
        found = []
        for name in names:
            with suppress(NotFoundError):
                found.append((name, self.look(name, owner)))
        return tuple(found)

    def take(self, job_id: str, owner: str) -> tuple[Job, IO[bytes]]:
        """Hand the archive out; from here on it has no name, and is gone once the file is closed.

        Raises:
            NotFoundError: As for `look`, or it is not ready, or somebody was quicker.
        """
        folder, job = self._find(job_id, owner)
        if job.state != READY:
            raise _no_job()
        taken = folder / "taken.zip"
        try:
            (folder / _ARCHIVE).rename(taken)  # one of two who come at once
            file = taken.open("rb")
        except OSError:
            raise _no_job() from None
        self._drop(folder)
        return job, file

    def discard(self, job_id: str, owner: str) -> None:
        """Delete a job and its archive.

        Raises:
            NotFoundError: As for `look`.
        """
        self._drop(self._find(job_id, owner)[0])

    def _make(self, folder: Path, job: Job, find: Callable[[], Subject], actor: str) -> None:
        said_at = 0.0

        def progress(done: int, of: int) -> None:
            nonlocal said_at
            if time.monotonic() - said_at >= _SAY_EVERY_S:
                self._write(folder, replace(job, state=RUNNING, done=done, of=of))
                said_at = time.monotonic()

        try:
            progress(0, 0)
            path = folder / _ARCHIVE
            made = export_subject(
                self._office, find(), path, portable=job.portable, actor=actor, progress=progress
            )
            job = replace(
                job,
                state=READY,
                done=made.n_calls,
                of=made.n_calls,
                n_recordings=made.n_recordings,
                n_bytes=path.stat().st_size,
                request_id=made.request_id,
            )
            _later(KEPT_S + 60, lambda: clear_exports(self._office.site.data))
        except CallveilError as error:
            job = replace(job, state=FAILED, problem=str(error))
        except Exception:
            job = replace(job, state=FAILED, problem="Something went wrong; the log says more.")
            raise
        finally:
            with self._lock:
                self._own.discard(folder.name)
            if folder.is_dir():  # else it was discarded meanwhile
                self._write(folder, job)

    def _find(self, job_id: str, owner: str) -> tuple[Path, Job]:
        folder = self._office.site.data / "exports" / job_id
        try:
            job = Job(**json.loads((folder / _STATE).read_bytes())) if re.fullmatch(ID, job_id) else None
        except (OSError, ValueError, TypeError):
            job = None
        if job is None or job.owner != owner:
            raise _no_job()
        return folder, job

    def _write(self, folder: Path, job: Job) -> None:
        if not folder.is_dir():
            raise StoreError("the export was given up")
        with file_errors("making an export"):
            write_whole(folder / _STATE, json.dumps(asdict(job)).encode(), draft=folder / "job.draft")

    def _drop(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)


def _later(seconds: float, work: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()


def _no_job() -> NotFoundError:
    return NotFoundError("There is no such export, or it was fetched or deleted already. Start another one.")
