"""`callveil process`: recordings in, redacted calls out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from callveil.cli import interrupt
from callveil.cli.output import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_SOME_FAILED,
    console,
    errors,
    print_json,
)
from callveil.cli.service import actor
from callveil.config import load_config, make_process_site
from callveil.errors import MetadataError
from callveil.kit import build_enlisting, check_config, open_signer
from callveil.pipeline.batch import Found, Job, find_jobs, process_all
from callveil.vocabulary.consent import Flag
from callveil.vocabulary.recording import Outcome, State


def process(
    paths: Annotated[
        list[Path], typer.Argument(help="Recordings, or folders that hold them.", show_default=False)
    ],
    out: Annotated[str, typer.Option(help="A folder, or s3://bucket/prefix.", show_default=False)],
    profile: Annotated[str, typer.Option(help="Name of a profile, or a TOML file.")] = "default",
    metadata: Annotated[Path | None, typer.Option(help="Metadata of the one recording given.")] = None,
    consent: Annotated[
        Flag | None, typer.Option(help="Consent of recordings without a <name>.json beside them.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, max=64, help="Calls processed at a time; each loads the models.")
    ] = 1,
    force: Annotated[bool, typer.Option("--force", help="Redo calls that are done.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the ledger that calls and persons are found by.", show_default="the --out folder"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Redact recordings and write them to a store, if they may be kept.

    Each recording is paired with the metadata file of the same name (call.wav, call.json). Without metadata
    and without --consent a call is held: nothing of it is written. Certificates are signed: `callveil keys
    create` makes the key. Calls are entered in a ledger (--data), so that `callveil subject` finds their
    persons; one that was erased is refused.

    Exit codes: 0 all done; 2 wrong use or configuration, nothing was started; 3 some calls failed or were
    quarantined; 4 refused, consent let none of the calls be kept; 130 interrupted.
    """
    if metadata is not None and consent is not None:
        raise MetadataError("--metadata and --consent: only one of them is allowed")
    config = load_config(profile)
    check_config(config)
    open_signer(config)  # without a key nothing can be published, so nothing is heard
    found = find_jobs(paths, metadata=metadata, flag=consent, replace=force)
    if not found.jobs and not found.orphans:
        raise MetadataError("PATHS: no recording was found")
    site = make_process_site(out, data)
    if site is None:
        errors.print(
            "no ledger is kept, so `callveil subject` will not find these calls; --data FOLDER keeps one"
        )
    else:
        build_enlisting(
            config, site, actor()
        )  # so that its key is made once, and what is wrong is told at once
    outcomes = [_orphan(path) for path in found.orphans]
    with _progress(disable=as_json) as bar:
        calls = bar.add_task("calls", total=len(found.jobs))
        audio = bar.add_task("audio", total=None, call="")

        def heard(job: Job, seconds: float) -> None:
            interrupt.check()
            bar.update(audio, description=f"{job.audio.name}: {seconds:.0f} s heard")

        try:
            n_workers = min(jobs, len(found.jobs) or 1)
            for job, outcome in process_all(
                found.jobs, config, out, n_workers, heard, site=site, actor=actor()
            ):
                interrupt.check()
                outcomes.append(outcome)
                bar.advance(calls)
                bar.update(audio, description=f"{job.audio.name}: {outcome.state}")
        except KeyboardInterrupt:
            errors.print(f"interrupted after {len(outcomes)} calls; nothing was left half-written")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(
            {"calls": [outcome_fields(outcome) for outcome in outcomes], "ignored_files": found.ignored}
        )
    else:
        _print(outcomes, found)
    raise typer.Exit(_exit_code(outcomes))


def _orphan(path: Path) -> Outcome:
    reason = f"{path.name}: there is no recording beside this metadata file"
    return Outcome(call_id=path.stem, state=State.FAILED, error=("metadata", reason))


def _exit_code(outcomes: Sequence[Outcome]) -> int:
    states = {outcome.state for outcome in outcomes}
    if states & {State.FAILED, State.QUARANTINED}:
        return EXIT_SOME_FAILED
    return EXIT_OK if states & {State.PUBLISHED, State.SKIPPED} else EXIT_REFUSED


def outcome_fields(outcome: Outcome) -> dict[str, Any]:
    """An outcome as it stands in `--json` output."""
    decision = outcome.decision
    return {
        "call_id": outcome.call_id,
        "state": outcome.state.value,
        "consent": decision
        and {
            "action": decision.action.value,
            "rule": decision.rule,
            "reason": decision.reason,
            "keep_until_s": decision.keep_until_s,
            "hold_until": decision.hold_until and decision.hold_until.isoformat(),
        },
        "prefix": outcome.prefix,
        "duration_s": round(outcome.duration_s, 3),
        "masked_s": {kind: round(seconds, 2) for kind, seconds in _masked_s(outcome).items()},
        "verify": _verify_fields(outcome),
        "timings_s": dict(outcome.timings_s),
        "error": outcome.error and {"code": outcome.error[0], "message": outcome.error[1]},
    }


def _verify_fields(outcome: Outcome) -> dict[str, Any] | None:
    found = outcome.verification
    if found is None:
        return None
    return {
        "result": found.result.value,
        "scope": found.scope.value,
        "rounds": found.rounds,
        "heard_s": found.heard_s,
        "widened": found.widened,
        "left": found.left,
    }


def _masked_s(outcome: Outcome) -> Counter[str]:
    seconds: Counter[str] = Counter()
    for span in outcome.masked:
        seconds[span.entity.value] += span.end_s - span.start_s  # type: ignore[assignment]
    return seconds


def _progress(*, disable: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=disable,
        transient=True,
    )


def _print(outcomes: Sequence[Outcome], found: Found) -> None:
    table = Table(title="Calls", title_justify="left")
    table.add_column("call", overflow="fold")
    table.add_column("outcome")
    table.add_column("consent")
    for column in ("audio s", "masked s", "x real time"):
        table.add_column(column, justify="right")
    for outcome in outcomes:
        table.add_row(*_row(outcome))
    console.print(table)
    masked = sum((_masked_s(outcome) for outcome in outcomes), Counter[str]())
    if masked:
        kinds = Table(title="Masked", title_justify="left")
        kinds.add_column("kind")
        kinds.add_column("seconds", justify="right")
        for kind, seconds in masked.most_common():
            kinds.add_row(kind, f"{seconds:.1f}")
        console.print(kinds)
    for outcome in outcomes:
        if outcome.state is not State.PUBLISHED:
            line = f"{outcome.call_id}: {outcome.state.value}: {_why(outcome)}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    counts = Counter(outcome.state.value for outcome in outcomes)
    ignored = f", {found.ignored} other files ignored" if found.ignored else ""
    console.print(", ".join(f"{n} {state}" for state, n in sorted(counts.items())) + ignored)


def _row(outcome: Outcome) -> tuple[str, ...]:
    total_s = outcome.timings_s.get("total", 0.0)
    published = outcome.state is State.PUBLISHED
    return (
        outcome.call_id,
        outcome.state.value,
        outcome.decision.rule if outcome.decision else "",
        f"{outcome.duration_s:.1f}" if published else "",
        f"{sum(_masked_s(outcome).values()):.1f}" if published else "",
        f"{outcome.duration_s / total_s:.1f}" if published and total_s else "",
    )


def _why(outcome: Outcome) -> str:
    if outcome.error is not None:
        return outcome.error[1]
    if outcome.state is State.QUARANTINED and outcome.verification is not None:
        return f"{outcome.verification.reason} Nothing was published."
    if outcome.state is State.SKIPPED:
        return "the same recording is published already; --force redoes it"
    return outcome.decision.reason if outcome.decision else ""
