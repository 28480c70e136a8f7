"""Many recordings: find them, pair each with its metadata, process it, fail it without failing the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from callveil.adapters.audio_file import open_recording
from callveil.adapters.call_metadata import minimal_call, parse_call
from callveil.config import Config, Site
from callveil.errors import CallveilError, MetadataError
from callveil.kit import Enlisting, Kit, LivePolicies, build_enlisting, build_kit
from callveil.pipeline.enlist import enlisted
from callveil.pipeline.listen import OnProgress
from callveil.pipeline.record_call import record_call
from callveil.ports import Reviews
from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import Flag
from callveil.vocabulary.recording import Outcome, State

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".au", ".wave"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One recording to process.

    Attributes:
        audio: The recording.
        metadata: Its metadata file; None when there is none.
        flag: The consent given on the command line, for recordings without a metadata file.
        replace: Redo a call that is done.
    """

    audio: Path
    metadata: Path | None
    flag: Flag | None = None
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found in the given paths.

    Attributes:
        jobs: Sorted by path.
        orphans: Metadata files without a recording.
        ignored: How many files in folders are neither recordings nor metadata.
    """

    jobs: tuple[Job, ...]
    orphans: tuple[Path, ...]
    ignored: int


def find_jobs(paths: Sequence[Path], *, metadata: Path | None, flag: Flag | None, replace: bool) -> Found:
    """Find the recordings in files and folders; a folder is searched to its depth.

    Args:
        paths: Files are taken whatever their name; in folders a recording has a known suffix.
        metadata: Metadata file of the one recording in `paths`.
        flag: Consent of recordings without a metadata file beside them.
        replace: Passed on to the jobs.

    Raises:
        MetadataError: A path does not exist, `metadata` is given for more than one recording, or a
            recording has several metadata files.
    """
    jobs: dict[Path, Job] = {}
    beside: dict[Path, dict[str, list[Path]]] = {}
    orphans: list[Path] = []
    ignored = 0
    for path in paths:
        if path.is_dir():
            files = [
                file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")
            ]
            audio = [file for file in files if file.suffix.lower() in AUDIO_SUFFIXES]
            stems = {file.with_suffix("") for file in audio}
            described = [file for file in files if file.suffix.lower() == ".json"]
            orphans += [file for file in described if file.with_suffix("") not in stems]
            ignored += len(files) - len(audio) - len(described)
        elif path.is_file():
            audio = [path]
        else:
            raise MetadataError(f"{path}: there is no such file or folder")
        for file in audio:
            if file.parent not in beside:
                beside[file.parent] = _metadata_by_stem(file.parent)
            jobs[file] = Job(
                audio=file,
                metadata=metadata or _beside(file, beside[file.parent]),
                flag=flag,
                replace=replace,
            )
    if metadata is not None and (len(jobs) != 1 or not metadata.is_file()):
        raise MetadataError("--metadata: names one existing file, for one recording")
    return Found(jobs=tuple(jobs[file] for file in sorted(jobs)), orphans=tuple(orphans), ignored=ignored)


def _metadata_by_stem(folder: Path) -> dict[str, list[Path]]:
    """Metadata files of a folder, however their suffix is written: a denial in call.JSON must be read.

    What is there but is no readable file counts too, so that reading it fails the call.
    """
    found: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        if path.suffix.lower() == ".json":
            found.setdefault(path.stem, []).append(path)
    return found


def _beside(audio: Path, by_stem: Mapping[str, Sequence[Path]]) -> Path | None:
    found = [path for path in by_stem.get(audio.stem, ()) if path != audio]
    if len(found) > 1:
        raise MetadataError(f"{audio.name}: has several metadata files beside it; one is allowed")
    return found[0] if found else None


def process(
    job: Job, kit: Kit, on_progress: OnProgress = lambda _: None, enlisting: Enlisting | None = None
) -> Outcome:
    """Process one recording; whatever goes wrong is its outcome, never an exception.

    Args:
        job: What to process.
        kit: To process it with.
        on_progress: Told the seconds of the call heard so far.
        enlisting: The ledger that calls are entered in; None when none is kept.
    """
    call_id = job.audio.name
    try:
        call = _call(job)
        call_id = call.call_id
        if enlisting is None:
            return _record(call, job, kit, lambda: _sha256(job.audio), on_progress)
        sha256 = _sha256(job.audio)
        return enlisted(
            call,
            kit,
            enlisting,
            content_sha256=sha256,
            n_bytes=job.audio.stat().st_size,
            work=lambda standing, check: _record(
                standing, job, kit, lambda: sha256, on_progress, check, enlisting.books.reviews
            ),
        )
    except CallveilError as error:
        return Outcome(call_id=call_id, state=State.FAILED, error=(error.code, str(error)))
    except OSError as error:
        return Outcome(
            call_id=call_id, state=State.FAILED, error=("file", f"{job.audio.name}: {error.strerror}")
        )
    except Exception as error:  # noqa: BLE001  the border of one call: the next one must still run
        # The text of an unknown error may quote the call, so only its kind is kept.
        kind = type(error).__name__
        return Outcome(call_id=call_id, state=State.FAILED, error=("internal", f"{job.audio.name}: {kind}"))


def _record(
    call: Call,
    job: Job,
    kit: Kit,
    input_sha256: Callable[[], str],
    on_progress: OnProgress,
    before_publish: Callable[[], None] = lambda: None,
    reviews: Reviews | None = None,
) -> Outcome:
    return record_call(
        call,
        open_recording(job.audio, kit.audio_limits),
        kit,
        input_sha256=input_sha256,
        replace=job.replace,
        missed=reviews.missed(call.call_id) if reviews else (),
        vouched=reviews.vouched(call.call_id) if reviews else (),
        before_publish=before_publish,
        on_progress=on_progress,
    )


def process_all(
    jobs: Sequence[Job],
    config: Config,
    location: str,
    n_workers: int,
    on_progress: Callable[[Job, float], None],
    *,
    site: Site | None = None,
    actor: str = "process",
) -> Iterator[tuple[Job, Outcome]]:
    """Process recordings, in this process or in several.

    Args:
        jobs: What to process.
        config: Profile; every worker builds its own kit of it.
        location: Of the store.
        n_workers: Processes; 1 stays in this one.
        on_progress: Told the job and its seconds heard so far; with several workers only when it is done.
        site: Where the ledger is that calls are entered in; None to keep none.
        actor: As in the audit chain.

    Yields:
        Each job with its outcome, as they end.
    """
    if n_workers == 1:
        worker = _Worker(config, location, site, actor)
        for job in jobs:
            yield job, worker.process(job, lambda seconds, job=job: on_progress(job, seconds))  # type: ignore[misc]
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(
        n_workers, context, initializer=_start_worker, initargs=(config, location, site, actor)
    ) as pool:
        running: dict[Future[Outcome], Job] = {pool.submit(_work, job): job for job in jobs}
        try:
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    def __init__(self, config: Config, location: str, site: Site | None, actor: str) -> None:
        self._enlisting = None if site is None else build_enlisting(config, site, actor)
        in_force = None
        if self._enlisting is not None:
            in_force = LivePolicies(config, self._enlisting.books.policy_sets)
        self._kit = build_kit(config, location, in_force=in_force)

    def process(self, job: Job, on_progress: OnProgress = lambda _: None) -> Outcome:
        return process(job, self._kit, on_progress, self._enlisting)


_worker: _Worker | None = None


def _start_worker(config: Config, location: str, site: Site | None, actor: str) -> None:
    global _worker
    _worker = _Worker(config, location, site, actor)


def _work(job: Job) -> Outcome:
    if _worker is None:
        raise RuntimeError("the worker was not started")
    return _worker.process(job)


def _call(job: Job) -> Call:
    written_at = datetime.fromtimestamp(job.audio.stat().st_mtime, UTC)
    if job.metadata is not None:
        content = job.metadata.read_bytes()
        return parse_call(content, source=job.metadata.name, default_started_at=written_at)
    return minimal_call(job.audio.stem, job.flag or Flag.UNKNOWN, written_at)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
