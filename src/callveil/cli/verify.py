"""`callveil verify`: are published calls what was published?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from callveil.adapters.ed25519 import public_key_from_pem
from callveil.adapters.signing_keys import KeyFolder, keys_folder
from callveil.cli.keys import read_pem
from callveil.cli.output import EXIT_SOME_FAILED, console, print_json
from callveil.config import load_config, read_secret
from callveil.errors import MetadataError
from callveil.kit import SystemClock, open_store, trusted_keys
from callveil.pipeline.verify_published import CheckedCall, find_calls, known, verify_file, verify_stored
from callveil.stages.documents.signature import key_id_of

_STYLES = {"intact": "green", "altered": "bold red", "unproven": "bold yellow"}


def verify(
    call: Annotated[
        str | None,
        typer.Argument(
            metavar="CALL|FILE",
            help="Call id, or folder in the store; without --store a certificate.json beside its parts.",
            show_default=False,
        ),
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="A folder, or s3://bucket/prefix.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Check every call of the store.")] = False,
    keys: Annotated[
        Path | None,
        typer.Option(help="Folder of trusted public keys.", show_default="the key folder, CALLVEIL_KEYS_DIR"),
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Trust this public key (PEM), and no other.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Names the S3 server for s3://.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Check that published calls are what was published, offline.

    The certificate is signed by a known key and was not changed by a byte; every part it lists is there with
    the content it had, and no other; the call lies in its own folder; audio header, tags and model files
    agree with it. Nothing is listened to.

    Exit codes: 0 all intact; 1 no such call; 2 wrong use; 3 something was altered, or nothing here proves
    that it was not.
    """
    if every == (call is not None) or (every and store is None):
        raise MetadataError("name a CALL with --store, or a FILE, or give --all with --store")
    if keys is not None and public_key is not None:
        raise MetadataError("--keys and --public-key: only one of them is allowed")
    against = known(trusted(keys, public_key))
    if store is None:
        checked = iter([verify_file(Path(str(call)), against)])
    else:
        opened = open_store(store, load_config(profile))
        checked = (verify_stored(opened, prefix, against) for prefix in find_calls(opened, call))
    results = list(_printed(checked, silent=as_json))
    counts = Counter(result.result for result in results)
    if as_json:
        print_json({"calls": [checked_fields(result) for result in results], "results": counts})
    else:
        console.print(", ".join(f"{n} {result}" for result, n in sorted(counts.items())), highlight=False)
    if set(counts) != {"intact"}:
        raise typer.Exit(EXIT_SOME_FAILED)


def checked_fields(checked: CheckedCall) -> dict[str, Any]:
    """The check of a call as it stands in `--json` output."""
    return {
        "place": checked.place,
        "call_id": checked.call_id,
        "key_id": checked.key_id,
        "result": checked.result,
        "faults": [
            {"part": fault.part, "kind": fault.kind.value, "what": fault.what} for fault in checked.faults
        ],
        "notes": list(checked.notes),
    }


def trusted(keys: Path | None, public_key: Path | None, *, also: Path | None = None) -> Mapping[str, bytes]:
    """Key id to public key of those that are trusted.

    Args:
        keys: Folder of public keys; None for the key folder and the key of the environment.
        public_key: One PEM file, and no other key.
        also: A folder whose keys are trusted beside the key folder's, when it is there.

    Raises:
        MetadataError: A folder or file is not there.
        ConfigError: A key cannot be read.
    """
    if public_key is not None:
        raw = public_key_from_pem(read_pem(public_key), str(public_key))
        return {key_id_of(raw): raw}
    if keys is not None:
        if not keys.is_dir():
            raise MetadataError(f"--keys: {keys} is not a folder")
        return KeyFolder(keys, SystemClock()).public_keys()
    return trusted_keys(keys_folder(os.environ), read_secret("signing_key"), also=also)


def _printed(checked: Iterator[CheckedCall], *, silent: bool) -> Iterator[CheckedCall]:
    for call in checked:
        if not silent:
            _print(call)
        yield call


def _print(call: CheckedCall) -> None:
    signed = f", signed by {call.key_id}" if call.key_id and call.result == "intact" else ""
    name = f"{call.call_id} in {call.place}" if call.call_id else call.place
    console.print(call.result, style=_STYLES[call.result], end=" ")
    console.print(f"{name}{signed}", markup=False, highlight=False, soft_wrap=True)
    for line in (*map(str, call.faults), *call.notes):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
