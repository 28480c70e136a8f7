"""`callveil original`: sealed originals, heard on the record only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from callveil.cli.output import console, print_json
from callveil.cli.service import Data, ProfileOption, actor, open_service
from callveil.cli.sought import Despite
from callveil.errors import ConfigError, RefusedError
from callveil.kit import Originals, Service, office_of
from callveil.pipeline.restrict import check_may_read
from callveil.pipeline.seal import delete_expired, replay_original
from callveil.pipeline.sweep import original_may_go
from callveil.vocabulary.original import Replay

app = typer.Typer(
    help="Sealed originals: list, hear on the record, delete the expired.", no_args_is_help=True
)


@app.command("list")
def list_originals(
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Show which calls have a sealed original."""
    found = list(_originals(open_service(data, profile)).store.call_ids())
    if as_json:
        print_json({"call_ids": found})
        return
    for call_id in found:
        console.print(call_id, markup=False, highlight=False)


@app.command("replay")
def replay(
    call_id: Annotated[str, typer.Argument(help="The call.", show_default=False)],
    reason: Annotated[
        str, typer.Option(help="Why it is heard; stands in the audit chain.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="A new WAV file, for the owner only.", show_default=False)],
    despite: Despite = None,
    data: Data = None,
    profile: ProfileOption = "default",
) -> None:
    """Decrypt an original into a file, after that was written into the audit chain.

    The file is in clear: delete it when it was heard. Who may do this is who can read the landing key.

    Exit codes: 1 there is none; 2 the profile keeps no originals; 4 refused: its time has passed, there is
    such a file, or the call is restricted.
    """
    import soundfile

    service = open_service(data, profile)
    originals = _originals(service)
    if out.exists():
        raise RefusedError("--out: there is such a file; it stays as it is")
    check_may_read(call_id, office_of(service), despite=despite, actor=actor())

    def audit(what: Replay) -> None:
        service.ledger.note(
            actor=what.actor,
            action="original.replayed",
            call_id=what.call_id,
            detail={"reason": what.reason},
            now=what.at,
        )

    with replay_original(
        call_id,
        actor=actor(),
        reason=reason,
        audit=audit,
        originals=originals,
        now=service.clock.now(),
        max_duration_s=service.config.profile.limits.max_duration_s,
    ) as recording:
        handle = os.open(out, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            os.fdopen(handle, "w+b") as file,
            soundfile.SoundFile(
                file,
                "w",
                samplerate=recording.format.rate_hz,
                channels=recording.format.channels,
                format="WAV",
                subtype="PCM_16",
            ) as written,
        ):
            for block in recording.blocks():
                written.write(block.samples)
    console.print(f"the original of {call_id} is in {out}, in clear", markup=False, highlight=False)


@app.command("expire")
def expire(data: Data = None, profile: ProfileOption = "default") -> None:
    """Delete the originals whose time has passed; for a daily timer.

    Those that a legal hold, a restriction or a policy of today keeps longer stay.
    """
    service = open_service(data, profile)
    office, now = office_of(service), service.clock.now()
    deleted = delete_expired(
        _originals(service), now, is_held=lambda call_id: not original_may_go(call_id, office, now)
    )
    for call_id in deleted:
        service.ledger.note(
            actor=actor(),
            action="original.expired",
            call_id=call_id,
            detail={},
            now=service.clock.now(),
        )
    console.print(f"{len(deleted)} originals deleted")


def _originals(service: Service) -> Originals:
    if service.originals is None:
        raise ConfigError("originals.keep: this profile keeps none; allowed: seal")
    return service.originals
