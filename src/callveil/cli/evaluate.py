"""`callveil evaluate`: score labelled calls."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from callveil.cli.evaluate_reviews import evaluate_reviews
from callveil.cli.output import EXIT_SOME_FAILED, console, errors, print_json
from callveil.cli.service import Data
from callveil.config import Config, load_config
from callveil.errors import ConfigError, MetadataError
from callveil.kit import Kit, build_kit, build_listener
from callveil.pipeline.evaluate import (
    CallScore,
    evaluate_calls,
    find_labelled,
    summarise,
    summary_fields,
)
from callveil.pipeline.listeners import Listening


def evaluate(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Recordings with truth files.", show_default=False)
    ] = None,
    profile: Annotated[str, typer.Option(help="Name of a profile, or a TOML file.")] = "default",
    mono: Annotated[bool, typer.Option("--mono", help="Mix two channels down to one first.")] = False,
    masks: Annotated[Path | None, typer.Option(help="Folder to write each call's masked spans to.")] = None,
    leaks: Annotated[int, typer.Option(min=0, help="How many leaks to list.")] = 10,
    listener: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE[/MODEL]",
            help="Let another recogniser hear the redacted recordings: what can it still read?",
        ),
    ] = None,
    listener_original: Annotated[
        bool, typer.Option("--listener-original", help="Let it hear the originals too, for comparison.")
    ] = False,
    from_reviews: Annotated[
        bool, typer.Option("--from-reviews", help="Score what reviewers found in published calls instead.")
    ] = False,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="With --from-reviews: redact the sealed originals once more.")
    ] = False,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Score the main job on labelled calls; nothing of them is stored.

    Personal data counts as caught when 90 % of its time is masked. Recall per kind, over-masking, calls
    without a leak, word error rate, diarization error rate, and time per step as a share of the audio. With
    a listener, also the independent leak rate: the share of values that it still reads.

    --from-reviews --data DIR scores the published calls that people reviewed: which share of the personal
    data Callveil had masked by itself, and which share of its masks need not be, with 95 % intervals. What
    nobody noticed counts as right.
    """
    if from_reviews:
        evaluate_reviews(data, profile, rerun=rerun, as_json=as_json)
        return
    if folder is None or rerun:
        raise MetadataError("evaluate: allowed: a folder of labelled calls, or --from-reviews")
    calls = find_labelled(folder)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=as_json,
        transient=True,
    )
    with TemporaryDirectory(prefix="callveil-") as unused_store, progress:
        task = progress.add_task("calls", total=len(calls))
        config = load_config(profile)
        kit = build_kit(config, unused_store, with_originals=False)
        listening = _listening(listener, config, kit, original=listener_original) if listener else None

        def done(score: CallScore) -> None:
            progress.update(task, advance=1, description=score.call_id)
            if masks is not None:
                _write_masks(masks, score)

        scores = evaluate_calls(calls, kit, mono=mono, on_call=done, listening=listening)
    fields = summary_fields(summarise(calls, scores, mono=mono))
    if as_json:
        print_json(fields)
    else:
        _print(fields, leaks)
    if fields["failed"]:
        raise typer.Exit(EXIT_SOME_FAILED)


def _listening(name: str, config: Config, kit: Kit, *, original: bool) -> Listening:
    listener = build_listener(name, config)
    if listener.name == kit.transcriber.name:
        raise ConfigError(f"--listener: {listener.name} is what the run itself hears with; take another one")
    return Listening(listeners=(listener,), has_original=original)


def _write_masks(folder: Path, score: CallScore) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    masked = [
        {
            "channel": m.channel,
            "start_s": m.start_s,
            "end_s": m.end_s,
            "entity": m.entity.value,
            "by": m.detector,
        }
        for m in score.masks
    ]
    document = {"call_id": score.call_id, "masked": masked}
    (folder / f"{score.call_id}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def _print(fields: dict[str, Any], n_leaks: int) -> None:
    kinds = Table(title="Personal data", title_justify="left")
    for column in ("kind", "spans", "caught", "recall", "of its time"):
        kinds.add_column(column, justify="left" if column == "kind" else "right")
    for kind, row in fields["by_entity"].items():
        caught = (
            str(row["spans"]),
            str(row["caught"]),
            f"{row['span_recall']:.3f}",
            f"{row['time_recall']:.3f}",
        )
        kinds.add_row(kind, *caught)
    console.print(kinds)
    overall = Table(title=f"{fields['calls']} calls, {fields['minutes']} minutes", title_justify="left")
    overall.add_column("measure")
    overall.add_column("value", justify="right")
    for measure in (
        "span_recall",
        "leaked_spans",
        "zero_leak_calls",
        "calls_with_pii",
        "zero_leak_share",
        "over_masking",
        "over_masking_beyond_collar",
        "benign_hits",
        "benign_spans",
        "wer",
        "der",
    ):
        overall.add_row(measure.replace("_", " "), str(fields[measure]))
    for step, factor in fields["real_time_factor"].items():
        overall.add_row(f"x real time: {step}", f"{factor:.4f}")
    console.print(overall)
    for row in fields["listeners"]:
        console.print(_read_values(row))
    for leak in sorted(fields["leaks"], key=lambda leak: leak["covered"])[:n_leaks]:
        where = f"{leak['start_s']:.2f}-{leak['end_s']:.2f} s, channel {leak['channel']}"
        covered = f"{leak['covered']:.0%} covered, {leak['reason']}"
        console.print(f"leak: {leak['call_id']} {leak['entity']} {where}, {covered}")
    for call_id, reason in fields["failed"].items():
        console.print(f"failed: {call_id}: {reason}", markup=False)


def _read_values(listener: dict[str, Any]) -> Table:
    """The independent leak rate, by kind and overall."""
    table = Table(title=f"Read by {listener['listener']}", title_justify="left")
    has_original = "ability" in listener
    for column in ("kind", "values", "read", "independent leak rate", *(["in the original"] * has_original)):
        table.add_column(column, justify="left" if column == "kind" else "right")
    for kind, row in [*listener["by_entity"].items(), ("all", listener)]:
        original = [f"{row['read_in_original']} ({row['ability']:.3f})"] if has_original else []
        rate = f"{row['independent_leak_rate']:.3f}"
        table.add_row(kind, str(row["values"]), str(row["read"]), rate, *original)
    return table
