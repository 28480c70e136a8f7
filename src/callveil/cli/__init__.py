"""The command line: one file per verb."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from callveil import __version__
from callveil.cli import (
    audit,
    breach,
    config,
    consent,
    consent_withdraw,
    dead,
    dev,
    evaluate,
    hold,
    ingest_key,
    interrupt,
    keys,
    landing_key,
    models,
    original,
    process,
    processing,
    recipient,
    report,
    request,
    retention,
    review,
    search,
    service,
    show,
    store,
    subject,
    subject_erase,
    subject_export,
    subject_key,
    user,
    verify,
    watch,
)
from callveil.cli.output import EXIT_INTERRUPTED, fail
from callveil.errors import CallveilError

app = typer.Typer(
    name="callveil",
    help="Call recordings kept only with consent, with the spoken personal data gone.",
    epilog="Exit codes: 0 done, 1 error, 2 wrong use or profile, 3 some failed or quarantined, 4 refused, "
    "130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"callveil {__version__}")
        raise typer.Exit


@app.callback()
def _callveil(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


app.command("process")(process.process)
app.command("dev")(dev.dev)
app.command("serve")(service.serve)
app.command("worker")(service.worker)
app.command("watch")(watch.watch)
app.command("reconcile")(service.reconcile)
app.add_typer(dead.app, name="dead")
app.add_typer(audit.app, name="audit")
app.add_typer(ingest_key.app, name="ingest-key")
app.add_typer(user.app, name="user")
app.add_typer(landing_key.app, name="landing-key")
app.add_typer(subject_key.app, name="subject-key")
app.add_typer(original.app, name="original")
subject.app.command("export")(subject_export.export)
app.add_typer(subject.app, name="subject")
app.add_typer(retention.app, name="retention")
subject.app.command("erase")(subject_erase.erase)
subject.app.command("restrict")(subject_erase.restrict_calls)
subject.app.command("unrestrict")(subject_erase.unrestrict)
subject.app.command("verify-erasure")(subject_erase.verify_erasure)
app.add_typer(consent.app, name="consent")
consent.app.command("withdraw")(consent_withdraw.withdraw)
app.add_typer(request.app, name="request")
app.add_typer(recipient.app, name="recipient")
app.add_typer(hold.app, name="hold")
app.add_typer(review.app, name="review")
app.add_typer(search.app, name="search")
app.add_typer(breach.app, name="breach")
app.add_typer(processing.app, name="processing")
app.command("show")(show.show)
app.command("verify")(verify.verify)
app.add_typer(store.app, name="store")
app.command("report")(report.report)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(config.app, name="config")


def main() -> None:
    """Run the command line; every expected error ends as one readable message and an exit code."""
    interrupt.install()
    try:
        app()
    except CallveilError as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
