"""The models folder: what is pulled, whether it is right, and where it lies. Nothing here downloads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from stat import S_ISREG

from callveil.adapters.model_download import Progress, Silent
from callveil.adapters.model_manifests import ModelFile, ModelManifest, load_manifests
from callveil.adapters.resources import resource_folder
from callveil.errors import ModelError

_CHUNK = 1 << 20


class ModelState(StrEnum):
    """State of a model or of one of its files."""

    PULLED = "pulled"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """What hashing one file of a model showed.

    Attributes:
        path: Relative to the model's folder.
        state: Pulled (and right), missing or damaged.
        expected_sha256: From the manifest.
        sha256: Of the file as it is; None when it is missing or cannot be read.
    """

    path: str
    state: ModelState
    expected_sha256: str
    sha256: str | None


def models_folder(environment: Mapping[str, str]) -> Path:
    """Where models lie: CALLVEIL_MODELS_DIR, else the user's cache folder.

    Args:
        environment: Such as `os.environ`.
    """
    if named := environment.get("CALLVEIL_MODELS_DIR"):
        return Path(named).expanduser()
    # The XDG Base Directory Specification has relative paths ignored.
    cache = environment.get("XDG_CACHE_HOME", "")
    base = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"
    return base / "callveil" / "models"


def source_folder(environment: Mapping[str, str]) -> Path | None:
    """The local folder to pull from: CALLVEIL_MODELS_SOURCE, or None.

    Args:
        environment: Such as `os.environ`.
    """
    named = environment.get("CALLVEIL_MODELS_SOURCE")
    return Path(named).expanduser() if named else None


class ModelFolder:
    """The pulled models of this machine; implements `ModelLookup`."""

    def __init__(self, root: Path, manifests: Mapping[str, ModelManifest] | None = None) -> None:
        """Open a models folder; it need not exist yet.

        Args:
            root: Holds one folder per model.
            manifests: By name; None for those that ship with Callveil.
        """
        self.root = root
        self.manifests = load_manifests(resource_folder("models")) if manifests is None else manifests
        self._hashes: dict[Path, tuple[int, int, str]] = {}

    def manifest(self, model: str) -> ModelManifest:
        """What is known of a model.

        Raises:
            ModelError: No such model.
        """
        try:
            return self.manifests[model]
        except KeyError as error:
            known = ", ".join(sorted(self.manifests))
            raise ModelError(f"no model is called {model!r}; there are: {known}") from error

    def path(self, model: str) -> Path:
        """Where a model's files belong, whether they are there or not.

        Raises:
            ModelError: No such model.
        """
        return self.root / self.manifest(model).name

    def state(self, model: str) -> ModelState:
        """Presence and size of all files, without hashing.

        Raises:
            ModelError: No such model.
        """
        states = {self._state_of(self.path(model) / file.path, file) for file in self.manifest(model).files}
        return _worst(states)

    def folder(self, model: str) -> Path:
        """Folder of a model's files, all of them present and of the right size.

        Raises:
            ModelError: No such model, or it is not pulled; the message names the command that pulls it.
        """
        state = self.state(model)
        if state is not ModelState.PULLED:
            raise ModelError(f"model {model} is {state} in {self.root}; run: callveil models pull {model}")
        return self.path(model)

    def sha256_of(self, model: str) -> dict[str, str]:
        """Hashes of the files as they are on disk, checked against the manifest; for certificates.

        A file is hashed again only when its size or time of change differs from last time.

        Returns:
            File path to lower-case hex.

        Raises:
            ModelError: No such model, or a file is missing or damaged.
        """
        checks = self.verify(model)
        wrong = [check for check in checks if check.state is not ModelState.PULLED]
        if wrong:
            states = ", ".join(f"{check.path} is {check.state}" for check in wrong)
            raise ModelError(f"model {model}: {states}; run: callveil models pull {model}")
        return {check.path: check.expected_sha256 for check in checks}

    def verify(self, model: str, progress: Progress | None = None) -> tuple[FileCheck, ...]:
        """Hash every file of a model. Deletes nothing.

        Raises:
            ModelError: No such model.
        """
        root = self.path(model)
        watcher = progress or Silent()
        return tuple(
            self._check(root / file.path, file, model, watcher) for file in self.manifest(model).files
        )

    def _check(self, path: Path, file: ModelFile, model: str, progress: Progress) -> FileCheck:
        state = self._state_of(path, file)
        sha256 = None
        if state is not ModelState.MISSING:
            progress.begin(f"{model}/{file.path}", file.bytes)
            try:
                sha256 = self._sha256(path, progress)
            except OSError:
                state = ModelState.DAMAGED
            finally:
                progress.end()
            if sha256 != file.sha256:
                state = ModelState.DAMAGED
        return FileCheck(path=file.path, state=state, expected_sha256=file.sha256, sha256=sha256)

    def _state_of(self, path: Path, file: ModelFile) -> ModelState:
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return ModelState.MISSING
        except OSError:
            return ModelState.DAMAGED
        right = S_ISREG(status.st_mode) and status.st_size == file.bytes
        return ModelState.PULLED if right else ModelState.DAMAGED

    def _sha256(self, path: Path, progress: Progress) -> str:
        status = path.stat()
        known = self._hashes.get(path)
        if known and known[:2] == (status.st_size, status.st_mtime_ns):
            return known[2]
        sha256 = sha256_of_file(path, progress)
        self._hashes[path] = (status.st_size, status.st_mtime_ns, sha256)
        return sha256


def sha256_of_file(path: Path, progress: Progress) -> str:
    """Lower-case hex of a file's sha256.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    n_read = 0
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
            n_read += len(piece)
            progress.reached(n_read)
    return digest.hexdigest()


def _worst(states: set[ModelState]) -> ModelState:
    order = (ModelState.DAMAGED, ModelState.MISSING, ModelState.PULLED)
    return next(state for state in order if state in states)
