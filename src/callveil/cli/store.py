"""`callveil store`: what a store can do, and the net below retention."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.table import Table

from callveil.adapters.store_trials import Trial
from callveil.cli.output import EXIT_SOME_FAILED, console, print_json
from callveil.cli.service import Data, ProfileOption, load
from callveil.config import load_config
from callveil.errors import MetadataError
from callveil.kit import policies_of_site, try_location
from callveil.retention.lifecycle import LifecycleRule, lifecycle_rules, rules_json, rules_xml

app = typer.Typer(help="Try out a store; lifecycle rules for its bucket.", no_args_is_help=True)


@app.command("check")
def check(
    location: Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix.", show_default=False)],
    profile: ProfileOption = "default",
    lifecycle: Annotated[
        bool,
        typer.Option(
            "--lifecycle",
            help="Also try whether lifecycle rules by tag are accepted: gives a bucket that has no rules a "
            "disabled one for a moment.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Try out whether a store does what Callveil relies on, before calls are entrusted to it.

    Everything happens below a scratch folder of its own and is deleted again.

    Exit codes: 0 all that is needed works; 1 the server cannot be reached; 2 wrong use or configuration; 3
    something that is needed does not work.
    """
    trials = []
    for trial in try_location(location, load_config(profile), lifecycle=lifecycle):
        trials.append(trial)
    is_fit = all(trial.works for trial in trials if trial.needed)
    if as_json:
        print_json({"location": location, "fit": is_fit, "trials": [asdict(trial) for trial in trials]})
    else:
        _print(trials, is_fit)
    if not is_fit:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command("lifecycle")
def lifecycle(
    location: Annotated[
        str | None,
        typer.Argument(
            metavar="[s3://BUCKET/PREFIX]", help="Where the store is; the whole bucket when left out."
        ),
    ] = None,
    data: Data = None,
    profile: ProfileOption = "default",
    hidden_days: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Days from when an object is hidden to when it is deleted.",
            show_default="as long as a call is kept",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print them for `aws s3api put-bucket-lifecycle-configuration`.")
    ] = False,
    as_xml: Annotated[bool, typer.Option("--xml", help="Print them as S3's own XML.")] = False,
) -> None:
    """Print lifecycle rules for the bucket: a net for what `callveil retention sweep` should have deleted.

    They come 30 days after the longest that policies and duties ask for. Calls under a legal hold, restricted
    calls, and calls whose time counts from an event are in none of them. The policies are those in force:
    where some were put in force on the pages, the data folder's, else the profile's. Nothing is changed.
    """
    parts = urlsplit(location or "s3://")
    if parts.scheme != "s3" or (as_json and as_xml):
        raise MetadataError("allowed are s3://bucket/prefix, and one of --json and --xml")
    prefix = parts.path.strip("/")
    rules = lifecycle_rules(
        policies_of_site(*load(data, profile)).now(),
        prefix=f"{prefix}/" if prefix else "",
        hidden_days=hidden_days,
    )
    if as_json:
        print_json(rules_json(rules))
    elif as_xml:
        sys.stdout.write(rules_xml(rules).decode() + "\n")
    else:
        _print_rules(rules)


def _print_rules(rules: tuple[LifecycleRule, ...]) -> None:
    table = Table("rule", "hides after", "deletes after", "why", box=None, pad_edge=False)
    for rule in rules:
        hides = "" if rule.expire_days is None else f"{rule.expire_days} days"
        later = (rule.expire_days or 0) + rule.noncurrent_days if rule.noncurrent_days else rule.upload_days
        table.add_row(rule.rule_id, hides, f"{later} days" if later else "", rule.why)
    console.print(table)
    console.print(
        "Put them there with --json or --xml; they take the place of all rules the bucket has. Print them "
        "anew whenever policies have changed, after `callveil retention apply`.",
        highlight=False,
    )


def _print(trials: list[Trial], is_fit: bool) -> None:
    table = Table("what was tried", "works", "otherwise", box=None, pad_edge=False)
    for trial in trials:
        if trial.works:
            works, style = "yes", "green"
        else:
            works, style = ("NO", "bold red") if trial.needed else ("no", "yellow")
        said = [text for text in (trial.problem, "" if trial.works else trial.without) if text]
        table.add_row(trial.name, f"[{style}]{works}[/]", "; ".join(said).replace("[", r"\["))
    console.print(table)
    verdict = (
        "all that Callveil needs works" if is_fit else "something that Callveil needs does not work (NO)"
    )
    console.print(verdict, style="green" if is_fit else "bold red", highlight=False)
