"""`callveil evaluate --from-reviews`: how well the redaction does on the calls that people reviewed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from rich.table import Table

from callveil.cli.output import console, errors, print_json
from callveil.cli.service import actor, load
from callveil.kit import Kit, build_kit, build_office
from callveil.pipeline.field_scores import field_scores, score_fields


def evaluate_reviews(data: Path | None, profile: str, *, rerun: bool, as_json: bool) -> None:
    """Score the reviewed calls of an installation and print the result.

    Args:
        data: Its folder.
        profile: Name of a profile, or a TOML file.
        rerun: Redact sealed originals once more.
        as_json: Print JSON instead of tables.

    Raises:
        ConfigError: There is no ledger, or something is set up wrongly.
        LedgerError: The ledger failed.
        StoreError: The store failed.
    """
    config, site = load(data, profile)
    office = build_office(config, site)

    @cache
    def kit() -> Kit:
        return build_kit(config, site.store, site.landing_key)

    def on_call(call_id: str) -> None:
        if rerun and not as_json:
            errors.print(call_id, markup=False, highlight=False)

    scores = field_scores(office, kit if rerun else None, actor=actor(), on_call=on_call)
    fields = score_fields(scores)
    if as_json:
        print_json(fields)
    else:
        _print(fields)


def _print(fields: dict[str, Any]) -> None:
    table = Table(
        title=f"{fields['calls']} reviewed calls, {fields['minutes']} minutes", title_justify="left"
    )
    for column in ("kind", "masked", "missed", "recall", "in vain", "of its masks", "said to be"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    rows = {**fields["by_entity"], "all": fields["total"]}
    for kind, row in rows.items():
        table.add_row(
            kind,
            str(row["masked"]),
            str(row["missed"]),
            _words(row["recall"]),
            str(row["over"]),
            _words(row["over_rate"]),
            str(row["over_reported"]),
        )
    console.print(table)
    console.print(f"calls without a miss: {_words(fields['calls_without_miss'])}", highlight=False)
    if (again := fields["again"]) is not None:
        console.print(
            f"redacted once more ({again['calls']} calls): of what was missed, caught now"
            f" {_words(again['missed_then_caught_now'])}; of what was masked in vain, masked still"
            f" {_words(again['over_then_masked_still'])}",
            highlight=False,
        )


def _words(share: dict[str, Any]) -> str:
    if share["share"] is None:
        return "-"
    return f"{share['share']:.1%} ({share['low']:.1%} to {share['high']:.1%})"
