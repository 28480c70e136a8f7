"""Build what a job needs from a profile. The one place that names concrete classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

from callveil import registry
from callveil.adapters.audio_file import AudioLimits
from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.ed25519 import Ed25519Signer
from callveil.adapters.models import ModelFolder
from callveil.adapters.signing_keys import KeyFolder
from callveil.config import Config, EngineConfig, Profile, validate
from callveil.errors import ConfigError
from callveil.kit.places import Originals, open_originals, open_store
from callveil.kit.policies import PoliciesInForce, open_policies
from callveil.ports import (
    Clock,
    DiarizationSession,
    Diarizer,
    EntityDetector,
    ModelLookup,
    ObjectStore,
    Signer,
    Transcriber,
)
from callveil.stages.plan_masks import MaskPlan
from callveil.vocabulary.consent import ConsentRules
from callveil.vocabulary.retention import Policy


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """The time now, aware UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """Everything `record_call` works with.

    Attributes:
        profile_name: As it stands in the tags.
        profile: The settings.
        rules: Of the consent gate.
        transcriber: Speech to words.
        dual: Diarizer for recordings with two channels.
        mono: Diarizer for recordings with one channel.
        detector: Finds personal data.
        listener: Hears the masked audio; never the transcriber's own model.
        store: Takes the result.
        clock: Tells the time.
        signer: Signs the certificates.
        model_hashes: Model name to file to sha256, of the models in use so far.
        originals: Where originals are sealed; None when they are not kept.
        policies: Retention policies, the profile's own fallback last; empty leaves the fallback alone.
        in_force: Asked for them instead where there is a ledger, when a call is published.
    """

    profile_name: str
    profile: Profile
    rules: ConsentRules
    transcriber: Transcriber
    dual: Diarizer
    mono: Diarizer
    detector: EntityDetector
    listener: Transcriber
    store: ObjectStore
    clock: Clock
    signer: Signer
    model_hashes: Callable[[], Mapping[str, Mapping[str, str]]] = field(default=lambda: {})
    originals: Originals | None = None
    policies: tuple[Policy, ...] = ()
    in_force: PoliciesInForce | None = None

    @property
    def mask_plan(self) -> MaskPlan:
        """How far masks reach, as the profile says."""
        masking = self.profile.masking
        return MaskPlan(
            pad_before_s=masking.pad_before_s,
            pad_after_s=masking.pad_after_s,
            snap_s=masking.snap_s,
            join_s=masking.join_s,
            other_channel=masking.other_channel,
        )

    @property
    def audio_limits(self) -> AudioLimits:
        """What a recording may be at most."""
        return audio_limits(self.profile)


def audio_limits(profile: Profile) -> AudioLimits:
    """What a recording may be at most."""
    limits = profile.limits
    return AudioLimits(max_duration_s=limits.max_duration_s, max_bytes=limits.max_bytes)


def build_kit(
    config: Config,
    location: str,
    landing_key: Path | None = None,
    *,
    with_originals: bool = True,
    in_force: PoliciesInForce | None = None,
) -> Kit:
    """Build the kit of a profile.

    The mono diarizer is loaded at the first mono call: most contact centres record two channels. The signing
    key is read at the first certificate: scoring labelled calls needs none.

    Args:
        config: Loaded profile.
        location: Where results go: a folder, or "s3://bucket/prefix".
        landing_key: See `open_key_wrapper`; needed where originals are sealed.
        with_originals: False where nothing is published, so that scoring labelled calls needs no landing key.
        in_force: Which policies are, where there is a ledger; None for those of the profile's file.

    Raises:
        ConfigError: An engine or option is unknown, or a rule file or the location is wrong.
        ModelError: A model is not pulled.
    """
    profile = config.profile
    models = UsedModels(ModelFolder(config.models))
    engines = _Engines(config, models)
    _check_listener(engines, config)
    return Kit(
        profile_name=config.name,
        profile=profile,
        rules=load_consent_rules(config.consent_rules),
        transcriber=cast(Transcriber, engines.build("transcriber", profile.transcriber)),
        dual=cast(Diarizer, engines.build("diarizer", profile.diarizer.dual, "diarizer.dual")),
        mono=LazyDiarizer(engines.prepare("diarizer", profile.diarizer.mono, "diarizer.mono")),
        detector=cast(EntityDetector, engines.build("detector", profile.detector)),
        listener=cast(Transcriber, engines.build("transcriber", profile.verify.listener, "verify.listener")),
        store=open_store(location, config),
        clock=SystemClock(),
        signer=LazySigner(lambda: open_signer(config)),
        model_hashes=models.hashes,
        originals=open_originals(config, landing_key) if with_originals else None,
        policies=open_policies(config),
        in_force=in_force,
    )


def build_listener(name: str, config: Config) -> Transcriber:
    """Build a recogniser that only judges: it hears redacted recordings and takes no part in redacting them.

    Args:
        name: An engine, or an engine and its model: "openai-whisper/whisper-base-ct2".
        config: For the models folder.

    Raises:
        ConfigError: No such engine, or it takes no model.
        ModelError: The model is not pulled.
    """
    engine, _, model = name.partition("/")
    try:
        module = registry.engine_module("transcriber", engine)
    except ConfigError as error:
        raise ConfigError(str(error).replace("transcriber.engine", "listener", 1)) from error
    options = validate(module.Options, {"model": model} if model else {}, f"listener {engine}")
    return cast(Transcriber, module.build(options, ModelFolder(config.models)))


def check_config(config: Config) -> None:
    """Check what loading a profile leaves open: engines and options, rules, policies. Loads no model.

    Raises:
        ConfigError: Something is wrong; the message names file and key.
    """
    profile, engines = config.profile, _Engines(config, UsedModels(ModelFolder(config.models)))
    load_consent_rules(config.consent_rules)
    open_policies(config)
    engines.options("transcriber", profile.transcriber, "transcriber")
    engines.options("transcriber", profile.verify.listener, "verify.listener")
    _check_listener(engines, config)
    engines.options("diarizer", profile.diarizer.dual, "diarizer.dual")
    engines.options("diarizer", profile.diarizer.mono, "diarizer.mono")
    engines.options("detector", profile.detector, "detector")


def _check_listener(engines: _Engines, config: Config) -> None:
    """A recogniser that heard nothing in the original proves nothing by hearing nothing in the masked audio.

    Raises:
        ConfigError: The listener is the transcriber's own model.
    """
    transcriber, listener = config.profile.transcriber, config.profile.verify.listener
    ours = getattr(engines.options("transcriber", transcriber, "transcriber"), "model", None)
    theirs = getattr(engines.options("transcriber", listener, "verify.listener"), "model", None)
    if ours == theirs and (ours is not None or transcriber.engine == listener.engine):
        raise ConfigError(
            f"{config.source}: verify.listener: uses the transcriber's own model; allowed: another model"
        )


def engine_options(config: Config) -> dict[str, Any]:
    """Every engine's effective options by dotted key, for `callveil config explain`."""
    profile, engines = config.profile, _Engines(config, UsedModels(ModelFolder(config.models)))
    tables = {
        "transcriber": ("transcriber", profile.transcriber),
        "diarizer.dual": ("diarizer", profile.diarizer.dual),
        "diarizer.mono": ("diarizer", profile.diarizer.mono),
        "detector": ("detector", profile.detector),
        "verify.listener": ("transcriber", profile.verify.listener),
    }
    return {
        f"{where}.options.{key}": value
        for where, (role, engine) in tables.items()
        for key, value in engines.options(role, engine, where).model_dump(mode="json").items()
    }


def open_signer(config: Config) -> Ed25519Signer:
    """Open the signing key: that of the environment, else the active one of the key folder.

    Raises:
        ConfigError: There is none, or it may not be used; the message says what helps.
    """
    return signer_of(config.secrets.signing_key) or KeyFolder(config.keys, SystemClock()).signer()


def signer_of(secret: SecretStr | None) -> Ed25519Signer | None:
    """The signer of `CALLVEIL_SIGNING_KEY`; None when that is not set.

    Raises:
        ConfigError: It is no signing key.
    """
    if secret is None:
        return None
    pem = secret.get_secret_value().encode("utf-8", "replace")
    return Ed25519Signer.from_pem(pem, "CALLVEIL_SIGNING_KEY")


class UsedModels:
    """A model lookup that remembers which models were asked for, for the certificate."""

    def __init__(self, models: ModelFolder) -> None:
        self._models = models
        self._hashes: dict[str, Mapping[str, str]] = {}

    def folder(self, model: str) -> Path:
        """Folder of a pulled model; see `ports.ModelLookup`."""
        path = self._models.folder(model)
        if model not in self._hashes:
            self._hashes[model] = self._models.sha256_of(model)
        return path

    def hashes(self) -> Mapping[str, Mapping[str, str]]:
        """Model name to file to sha256."""
        return dict(self._hashes)


class LazySigner:
    """A signer whose key is read when it is first needed."""

    def __init__(self, build: Callable[[], Signer]) -> None:
        self._build = build
        self._signer: Signer | None = None

    @property
    def key_id(self) -> str:
        """See `ports.Signer`; reads the key."""
        return self._load().key_id

    def sign(self, message: bytes) -> bytes:
        """See `ports.Signer`; reads the key."""
        return self._load().sign(message)

    def _load(self) -> Signer:
        if self._signer is None:
            self._signer = self._build()
        return self._signer


class LazyDiarizer:
    """A diarizer that is loaded when the first call needs it."""

    def __init__(self, build: Callable[[], object]) -> None:
        self._build = build
        self._diarizer: Diarizer | None = None

    @property
    def name(self) -> str:
        """Engine and models; loads it."""
        return self._load().name

    def start(self) -> DiarizationSession:
        """Begin a call; loads it."""
        return self._load().start()

    def _load(self) -> Diarizer:
        if self._diarizer is None:
            self._diarizer = cast(Diarizer, self._build())
        return self._diarizer


class _Engines:
    def __init__(self, config: Config, models: ModelLookup) -> None:
        self._source, self._models = config.source, models

    def options(self, role: str, engine: EngineConfig, where: str) -> Any:
        try:
            module = registry.engine_module(role, engine.engine)
        except ConfigError as error:
            raise ConfigError(f"{self._source}: {where}.{str(error).removeprefix(role + '.')}") from error
        return validate(module.Options, engine.options, f"{self._source}: {where}.options")

    def prepare(self, role: str, engine: EngineConfig, where: str) -> Callable[[], object]:
        options = self.options(role, engine, where)
        return lambda: registry.engine_module(role, engine.engine).build(options, self._models)

    def build(self, role: str, engine: EngineConfig, where: str | None = None) -> object:
        return self.prepare(role, engine, where or role)()
