"""`callveil models`: list, pull and verify the model files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from callveil.adapters.model_download import Progress, Silent
from callveil.adapters.model_pull import ALREADY_THERE, ModelPuller, pulling
from callveil.adapters.models import FileCheck, ModelFolder, ModelState, models_folder, source_folder
from callveil.cli.output import EXIT_ERROR, EXIT_SOME_FAILED, errors, print_json
from callveil.errors import ConfigError, ModelError

_LONG_BYTES = 1_000_000

app = typer.Typer(help="List, pull and verify model files.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Models, by name.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Dir = Annotated[
    Path | None,
    typer.Option(
        "--dir", help="The models folder.", show_default="CALLVEIL_MODELS_DIR, else the user's cache"
    ),
]


@app.command("list")
def list_models(as_json: Json = False, folder: Dir = None) -> None:
    """Show all models that Callveil knows, and whether they are pulled (by size; `verify` hashes)."""
    models = _open(folder)
    rows: list[dict[str, Any]] = [
        {
            "name": manifest.name,
            "role": manifest.role.value,
            "licence": manifest.licence,
            "bytes": manifest.bytes,
            "state": models.state(manifest.name).value,
            "origin": manifest.origin,
            "summary": manifest.summary,
        }
        for manifest in models.manifests.values()
    ]
    if as_json:
        print_json({"folder": str(models.root), "models": rows})
        return
    table = [(row["name"], row["role"], row["licence"], _size(row["bytes"]), row["state"]) for row in rows]
    _print_table([("NAME", "ROLE", "LICENCE", "SIZE", "STATE"), *table])
    typer.echo(f"\nin {models.root}")


@app.command("pull")
def pull(
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="Pull every model.")] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Take files from this folder first, such as a models folder of another machine.",
            show_default="CALLVEIL_MODELS_SOURCE",
        ),
    ] = None,
    as_json: Json = False,
    folder: Dir = None,
) -> None:
    """Fetch models, each file from the first source that gives the right sha256.

    Files that are there and right stay; damaged ones are deleted and fetched again. Exit code 3 when only
    some of the models could be pulled, 1 when none could.
    """
    if bool(names) == every:
        raise ConfigError("name the models to pull, or give --all")
    source = source or source_folder(os.environ)
    if source is not None and not source.is_dir():
        raise ConfigError(f"--from or CALLVEIL_MODELS_SOURCE: {source} is not a folder")
    models = _open(folder)
    wanted = [models.manifest(name).name for name in dict.fromkeys(names or models.manifests)]
    with (
        _progress(silent=as_json) as progress,
        pulling(models, source=source, progress=progress) as puller,
    ):
        results = [_pull_one(puller, name) for name in wanted]
    failed = [result for result in results if result["state"] == "failed"]
    if as_json:
        print_json({"folder": str(models.root), "models": results})
    else:
        for result in results:
            _print_pulled(result)
        typer.echo(f"{len(results) - len(failed)} of {len(results)} models are in {models.root}")
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED if len(failed) < len(results) else EXIT_ERROR)


@app.command("verify")
def verify(names: Names = None, as_json: Json = False, folder: Dir = None) -> None:
    """Hash every file of the models (all without a NAME). Exit code 3 when one is missing or damaged.

    Nothing is deleted; `pull` replaces what is damaged.
    """
    models = _open(folder)
    wanted = [models.manifest(name).name for name in dict.fromkeys(names or models.manifests)]
    with _progress(silent=as_json or not errors.is_terminal) as progress:
        checks = {name: models.verify(name, progress) for name in wanted}
    wrong = [name for name, files in checks.items() if any(map(_is_wrong, files))]
    if as_json:
        rows = [
            {"name": name, "right": name not in wrong, "files": [asdict(check) for check in files]}
            for name, files in checks.items()
        ]
        print_json({"folder": str(models.root), "models": rows})
    else:
        for name, files in checks.items():
            _print_checked(name, files)
    if wrong:
        typer.echo(f"run: callveil models pull {' '.join(wrong)}", err=True)
        raise typer.Exit(EXIT_SOME_FAILED)


def _open(folder: Path | None) -> ModelFolder:
    return ModelFolder(folder or models_folder(os.environ))


def _pull_one(puller: ModelPuller, name: str) -> dict[str, Any]:
    try:
        return {"name": name, "state": "pulled", "files": puller.pull(name)}
    except ModelError as error:
        return {"name": name, "state": "failed", "error": {"code": error.code, "message": str(error)}}


def _print_pulled(result: dict[str, Any]) -> None:
    if result["state"] == "failed":
        typer.echo(f"{result['name']}: failed\n{result['error']['message']}", err=True)
        return
    origins = sorted(set(result["files"].values()) - {ALREADY_THERE})
    typer.echo(f"{result['name']}: " + (f"pulled, {', '.join(origins)}" if origins else ALREADY_THERE))


def _is_wrong(check: FileCheck) -> bool:
    return check.state is not ModelState.PULLED


def _print_checked(name: str, files: Sequence[FileCheck]) -> None:
    wrong = [check for check in files if _is_wrong(check)]
    typer.echo(f"{name}: {'wrong' if wrong else 'right'}")
    for check in wrong:
        typer.echo(f"  {check.path} {check.state}")
        if check.state is ModelState.DAMAGED:
            typer.echo(f"    expected sha256 {check.expected_sha256}")
            typer.echo(f"    got             {check.sha256 or 'nothing, it cannot be read'}")


class _BarsOnTerminal:
    """A bar for each piece of work, gone when it is done."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._n_bytes: int | None = None

    def begin(self, label: str, n_bytes: int | None) -> None:
        self._n_bytes = n_bytes
        self._task = self._bars.add_task(label, total=n_bytes)

    def reached(self, n_bytes: int) -> None:
        if self._task is not None:
            # A downloaded wheel is counted twice for the moment in which pip moves it.
            done = n_bytes if self._n_bytes is None else min(n_bytes, self._n_bytes)
            self._bars.update(self._task, completed=done)

    def end(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


class _Lines:
    """One line for each piece of work that takes long, for logs."""

    def begin(self, label: str, n_bytes: int | None) -> None:
        if n_bytes is None or n_bytes >= _LONG_BYTES:
            typer.echo(label if n_bytes is None else f"{label} ({_size(n_bytes)})", err=True)

    def reached(self, n_bytes: int) -> None:
        pass

    def end(self) -> None:
        pass


@contextmanager
def _progress(*, silent: bool) -> Iterator[Progress]:
    if silent:
        yield Silent()
        return
    if not errors.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, TimeRemainingColumn(), console=errors, transient=True) as bars:
        yield _BarsOnTerminal(bars)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _size(n_bytes: int) -> str:
    if n_bytes < 1_000_000:
        return f"{n_bytes / 1000:.1f} kB"
    return f"{n_bytes / 1_000_000:.1f} MB"
