"""Profiles: what runs where, typed, frozen, checked before any audio is read.

Defaults are written here, once; a profile names
what it changes. Secrets come from the environment or from files it names, never from a profile.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from callveil.adapters.field_errors import field_errors
from callveil.adapters.models import models_folder
from callveil.adapters.resources import resource_folder
from callveil.adapters.signing_keys import keys_folder
from callveil.config.controller import ControllerConfig
from callveil.config.service import ServiceConfig
from callveil.config.web import WebConfig
from callveil.errors import ConfigError
from callveil.stages.mask_audio import AudioStyle
from callveil.stages.mask_text import TextStyle
from callveil.stages.plan_masks import OtherChannel
from callveil.vocabulary.proof import VerifyScope

M = TypeVar("M", bound=BaseModel)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineConfig(_Table):
    """An engine and its own options; the engine's module checks the options."""

    engine: str = Field(description="name of an engine")
    options: dict[str, Any] = Field(default={}, description="a table of the engine's own options")


class DiarizerConfig(_Table):
    """Who speaks when, by kind of recording."""

    dual: EngineConfig = Field(
        default=EngineConfig(engine="channels"), description="an engine, for recordings with two channels"
    )
    mono: EngineConfig = Field(
        default=EngineConfig(engine="pyannote"), description="an engine, for recordings with one channel"
    )

    @model_validator(mode="after")
    def _channels_cannot_split_mono(self) -> DiarizerConfig:
        if self.mono.engine == "channels":
            raise ValueError("mono.engine: the channel map cannot tell speakers of one channel apart")
        return self


class VerifyConfig(_Table):
    """Who listens to the masked audio, to how much of it, and how often."""

    listener: EngineConfig = Field(
        default=EngineConfig(
            engine="faster-whisper", options={"model": "whisper-tiny-en-ct2", "beam_size": 1}
        ),
        description="a transcriber engine, with another model or of another family than the transcriber",
    )
    scope: VerifyScope = Field(
        default=VerifyScope.ALL,
        description="all or near: all speech that is left, or what lies near masks, digits and unsure words",
    )
    max_rounds: int = Field(
        default=5, ge=1, le=10, description="1 to 10 times the masked audio is heard before quarantine"
    )


class MaskingConfig(_Table):
    """How masked stretches look, sound and reach."""

    audio: AudioStyle = Field(
        default=AudioStyle.SILENCE, description="silence, tone or noise: what is heard instead"
    )
    text: TextStyle = Field(default=TextStyle.ENTITY, description="entity or pii: what is read instead")
    pad_before_s: float = Field(
        default=0.15, ge=0, le=2, description="0 to 2 seconds, masked before the first word"
    )
    pad_after_s: float = Field(
        default=0.4, ge=0, le=2, description="0 to 2 seconds, masked after the last word"
    )
    snap_s: float = Field(
        default=0.25, ge=0, le=1, description="0 to 1 seconds, further reach of an edge to a pause"
    )
    join_s: float = Field(
        default=0.3, ge=0, le=5, description="0 to 5 seconds; masks closer than this become one"
    )
    other_channel: OtherChannel = Field(
        default=OtherChannel.WHEN_QUIET,
        description="when_quiet, always or never: whether the other channel is masked too",
    )


class ConsentConfig(_Table):
    """Which rules the consent gate follows."""

    rules: str = Field(
        default="consent.toml", description="name of a rule file, beside the profile or shipped"
    )
    after_publishing: Literal["erase", "keep"] = Field(
        default="erase",
        description="erase or keep: what a denial or withdrawal does to a call that is published already",
    )


class RetentionConfig(_Table):
    """How long a call is kept."""

    policies: str = Field(
        default="retention.toml",
        description="name of a file of policies, beside the profile or shipped; empty for none",
    )
    policy: str = Field(
        default="standard",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="1 to 64 letters, digits, dots, underscores and dashes; of calls that no policy fits",
    )
    keep_days: int = Field(
        default=365, ge=1, le=36525, description="1 to 36525 days from the call's end, for that policy"
    )


class LimitsConfig(_Table):
    """What a recording may be at most."""

    max_duration_s: float = Field(
        default=14400, gt=0, le=86400, description="up to 86400 seconds, the longest recording"
    )
    max_bytes: int = Field(default=2**30, gt=0, description="a number of bytes, the largest file")


class S3Config(_Table):
    """The S3 server that `--out s3://bucket/prefix` names; keys come from the environment."""

    endpoint: str = Field(default="s3.amazonaws.com", description="host or host:port, without scheme")
    region: str | None = Field(default=None, description="name of a region; absent lets the server tell")
    secure: bool = Field(default=True, description="true or false: TLS")

    @model_validator(mode="after")
    def _no_scheme(self) -> S3Config:
        if "/" in self.endpoint or "@" in self.endpoint:
            raise ValueError("endpoint: host or host:port is allowed, without scheme, path or credentials")
        return self


class StoreConfig(_Table):
    """Where published calls go."""

    lock: Literal["governance", "none"] = Field(
        default="governance",
        description="governance or none: Object Lock until the retention date, where there is one",
    )
    s3: S3Config = S3Config()


class OriginalsConfig(_Table):
    """What becomes of the original of a published call."""

    keep: Literal["shred", "seal"] = Field(
        default="shred",
        description="shred or seal: kept nowhere, or encrypted in a place of its own, without what PCI DSS "
        "forbids to keep",
    )
    location: str = Field(
        default="", description="a folder or s3://bucket/prefix, for originals that are sealed"
    )
    keep_days: int = Field(default=30, ge=1, le=36525, description="1 to 36525 days from the call's end")

    @model_validator(mode="after")
    def _sealed_somewhere(self) -> OriginalsConfig:
        if self.keep == "seal" and not self.location:
            raise ValueError('location: keep = "seal" needs one')
        if "://" in self.location and not self.location.startswith("s3://"):
            raise ValueError("location: a folder or s3://bucket/prefix is allowed")
        return self


class Profile(_Table):
    """Everything that can be set for the main job."""

    transcriber: EngineConfig = Field(
        default=EngineConfig(engine="faster-whisper"), description="an engine, speech to text"
    )
    diarizer: DiarizerConfig = DiarizerConfig()
    detector: EngineConfig = Field(
        default=EngineConfig(engine="presidio"), description="an engine that finds personal data"
    )
    masking: MaskingConfig = MaskingConfig()
    verify: VerifyConfig = VerifyConfig()
    consent: ConsentConfig = ConsentConfig()
    retention: RetentionConfig = RetentionConfig()
    limits: LimitsConfig = LimitsConfig()
    store: StoreConfig = StoreConfig()
    originals: OriginalsConfig = OriginalsConfig()
    service: ServiceConfig = ServiceConfig()
    web: WebConfig = WebConfig()
    controller: ControllerConfig = ControllerConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What comes from the environment only, or from a file named by `<VARIABLE>_FILE`."""

    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    signing_key: SecretStr | None = None
    landing_key: SecretStr | None = None
    landing_old_keys: SecretStr | None = None
    subject_keys: SecretStr | None = None
    oidc_secret: SecretStr | None = None


SECRET_VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "s3_access_key": "CALLVEIL_S3_ACCESS_KEY",
        "s3_secret_key": "CALLVEIL_S3_SECRET_KEY",
        "signing_key": "CALLVEIL_SIGNING_KEY",
        "landing_key": "CALLVEIL_LANDING_KEY",
        "landing_old_keys": "CALLVEIL_LANDING_OLD_KEYS",
        "subject_keys": "CALLVEIL_SUBJECT_KEYS",
        "oidc_secret": "CALLVEIL_OIDC_SECRET",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A loaded profile with what surrounds it.

    Attributes:
        name: Name of the profile.
        source: File it was read from.
        profile: The settings.
        given: Keys the file sets, such as "masking.audio"; all others are defaults.
        consent_rules: File with the consent rules.
        retention_policies: File with the retention policies; None when there is none.
        models: Folder of the pulled models.
        keys: Folder of the signing keys.
        secrets: From the environment.
    """

    name: str
    source: Path
    profile: Profile
    given: frozenset[str]
    consent_rules: Path
    retention_policies: Path | None
    models: Path
    keys: Path
    secrets: Secrets = field(repr=False)


def load_config(profile: str = "default", environ: Mapping[str, str] = os.environ) -> Config:
    """Read a profile.

    Args:
        profile: Name of a shipped profile ("default"), or path of a TOML file.
        environ: For secrets and the folders of models and keys.

    Raises:
        ConfigError: No such profile, or a key is misspelt, missing, of the wrong kind or out of range.
    """
    source = _profile_file(profile)
    table = read_toml(source)
    settings = validate(Profile, table, str(source))
    return Config(
        name=source.stem,
        source=source,
        profile=settings,
        given=frozenset(_leaves(table)),
        consent_rules=_file_beside(source, "consent.rules", settings.consent.rules),
        retention_policies=(
            _file_beside(source, "retention.policies", settings.retention.policies)
            if settings.retention.policies
            else None
        ),
        models=models_folder(environ),
        keys=keys_folder(environ),
        secrets=Secrets(**{name: read_secret(name, environ) for name in SECRET_VARIABLES}),
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: It cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {type(error).__name__}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error


def validate(model: type[M], table: Mapping[str, Any], where: str) -> M:
    """Check a table against its model.

    Args:
        model: Frozen pydantic model with `extra="forbid"`.
        table: As read from TOML.
        where: File, and table in it where it is not the top one ("x.toml: transcriber.options").

    Raises:
        ConfigError: One line per wrong key, naming the key and what is allowed.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        lines = field_errors(error, model, show_names=True).splitlines()
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error


def _profile_file(profile: str) -> Path:
    if profile.endswith(".toml") or "/" in profile:
        path = Path(profile)
        if not path.is_file():
            raise ConfigError(f"profile: there is no file {profile!r}")
        return path
    shipped = profile_names()
    if profile not in shipped:
        raise ConfigError(
            f"profile: none is called {profile!r}; shipped: {', '.join(shipped)}; or give a TOML file"
        )
    return resource_folder("pipelines") / "profiles" / f"{profile}.toml"


def profile_names() -> list[str]:
    """Names of the shipped profiles, sorted."""
    return sorted(path.stem for path in (resource_folder("pipelines") / "profiles").glob("*.toml"))


def _file_beside(profile: Path, key: str, name: str) -> Path:
    candidates = [profile.parent / name, profile.parent.parent / name, resource_folder("pipelines") / name]
    for path in candidates:
        if path.is_file():
            return path
    tried = ", ".join(str(path) for path in candidates)
    raise ConfigError(f"{profile}: {key}: there is no such file; tried in order: {tried}")


def read_secret(name: str, environ: Mapping[str, str] = os.environ) -> SecretStr | None:
    """Read a secret from its variable, or from the file that `<VARIABLE>_FILE` names; None when not set.

    Args:
        name: One of `SECRET_VARIABLES`.
        environ: The environment.

    Raises:
        ConfigError: The file cannot be read.
    """
    return read_variable(SECRET_VARIABLES[name], environ)


def read_variable(variable: str, environ: Mapping[str, str] = os.environ) -> SecretStr | None:
    """Read a variable, or the file that `<VARIABLE>_FILE` names; None when neither is set.

    Args:
        variable: Its name.
        environ: The environment.

    Raises:
        ConfigError: The file cannot be read.
    """
    value = environ.get(variable)
    path = environ.get(f"{variable}_FILE")
    if value is None and path is not None:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{variable}_FILE: the file cannot be read: {type(error).__name__}") from error
    return SecretStr(value) if value else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One effective setting.

    Attributes:
        key: Dotted, such as "masking.audio".
        value: As it would stand in TOML or JSON; secrets only as "set" or "not set".
        origin: "default", the profile's file, or the name of an environment variable.
    """

    key: str
    value: str | int | float | bool | None
    origin: str


def explain(config: Config) -> tuple[Setting, ...]:
    """Every effective setting and where it came from, by key. Engine options are listed by the kit."""
    values = config.profile.model_dump(mode="json")
    rows = [
        Setting(key=key, value=value, origin=str(config.source) if key in config.given else "default")
        for key, value in _leaves(values).items()
    ]
    for name, variable in SECRET_VARIABLES.items():
        state = "set" if getattr(config.secrets, name) else "not set"
        rows.append(Setting(key=f"secrets.{name}", value=state, origin=variable))
    rows.append(Setting(key="models", value=str(config.models), origin="CALLVEIL_MODELS_DIR or default"))
    rows.append(Setting(key="keys", value=str(config.keys), origin="CALLVEIL_KEYS_DIR or default"))
    return tuple(sorted(rows, key=lambda row: row.key))


def _leaves(table: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_walk(table, ""))


def _walk(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _walk(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
