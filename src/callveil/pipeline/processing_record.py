"""Write the record of processing activities (GDPR Art. 30) out of profiles, rules, models and recipients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from callveil import __version__
from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.model_manifests import load_manifests
from callveil.adapters.resources import resource_folder
from callveil.config import Config, Site
from callveil.kit import engine_options, open_policies
from callveil.pipeline.export import controller_in
from callveil.pipeline.report_views import kind_of
from callveil.retention.words import match_words, period_words, since_words
from callveil.rights.processing_record import (
    SUBJECTS,
    Activity,
    ModelUsed,
    PeriodKept,
    RecordFacts,
)
from callveil.rights.wording import PARTS, day_and_time
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.retention import KeptPart, Period, Policy


def make_record(
    configs: Sequence[Config],
    site: Site,
    now: datetime,
    policies: Callable[[Config], tuple[Policy, ...]] = open_policies,
) -> RecordFacts:
    """Gather what the settings tell.

    Args:
        configs: Profiles in use; the first one names the controller.
        site: For the recipients and places.
        now: Aware UTC.
        policies: Finds the retention policies in force with a profile.

    Raises:
        ConfigError: A profile, its rules or its policies are wrong.
    """
    return RecordFacts(
        created_at=now,
        tool_version=__version__,
        controller=controller_in(configs[0].profile.controller),
        activities=[_activity(config, site, policies(config)) for config in configs],
        recipients=[(each.name, each.kind, tuple(sorted(each.queues))) for each in site.recipients],
    )


def record_markdown(facts: RecordFacts) -> str:
    """The record for people."""
    # Markdown: what stands in it comes from the operator's own settings.
    environment = Environment(
        loader=PackageLoader("callveil.pipeline", "templates"),
        autoescape=False,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(day_and_time=day_and_time, cell=lambda text: str(text).replace("|", "\\|"))
    return environment.get_template("processing-record.md.j2").render(facts=facts, subjects=SUBJECTS)


def _activity(config: Config, site: Site, policies: Sequence[Policy]) -> Activity:
    profile, options = config.profile, engine_options(config)
    engines = {
        "speech to text": profile.transcriber.engine,
        "speakers, two channels": profile.diarizer.dual.engine,
        "speakers, one channel": profile.diarizer.mono.engine,
        "personal data": profile.detector.engine,
        "checking the result": profile.verify.listener.engine,
    }
    return Activity(
        profile=config.name,
        rules=load_consent_rules(config.consent_rules),
        kinds=[kind_of(entity.value).label for entity in Entity],
        engines=engines,
        models=_models(options),
        periods=[_period(policy) for policy in policies],
        consent_after_publishing=profile.consent.after_publishing,
        measures=_measures(config),
        places=_places(config, site),
    )


def _models(options: Mapping[str, object]) -> list[ModelUsed]:
    named = {value for value in options.values() if isinstance(value, str)}
    return [
        ModelUsed(
            name=manifest.name,
            role=manifest.role.value,
            summary=manifest.summary,
            licence=manifest.licence,
            origin=manifest.origin,
        )
        for manifest in load_manifests(resource_folder("models")).values()
        if manifest.name in named
    ]


def _period(policy: Policy) -> PeriodKept:
    return PeriodKept(
        policy=policy.name,
        calls="calls that no other policy is for" if policy.fallback else match_words(policy.match),
        keep=_periods(policy.keep),
        duty=_periods(policy.duty),
        maximum=_periods(policy.maximum),
        since=since_words(policy.since),
        law=policy.law,
    )


def _periods(periods: Mapping[KeptPart, Period]) -> dict[str, str]:
    return {PARTS[part]: period_words(periods[part]) for part in KeptPart if part in periods}


def _measures(config: Config) -> list[str]:
    profile = config.profile
    found = [
        "Raw audio waits encrypted (AES-256-GCM, a key of its own for each call, wrapped by the landing key);"
        " deleting its key deletes the call, in backups of the audio too.",
        "Spoken personal data is masked in recording and transcript before anything is published "
        f"({profile.masking.audio.value} in the recording).",
        "A second recogniser hears the masked recording; what is not proven clean is not published "
        f"(up to {profile.verify.max_rounds} rounds, heard: {profile.verify.scope.value}).",
        "Every published call has a certificate signed with Ed25519, with the hashes of its files.",
        "Telephone numbers, e-mail addresses and customer ids are kept as keyed hashes only (HMAC-SHA256).",
        "Every change is written into a chain of hashes that shows tampering.",
        "Pushes are signed (HMAC-SHA256); what comes in unsigned is refused.",
    ]
    if profile.originals.keep == "seal":
        found.append(
            "Originals are kept encrypted, without card security codes and PINs; hearing one is audited."
        )
    else:
        found.append("Originals are not kept: they are deleted once their call is published.")
    if profile.store.lock == "governance":
        found.append(
            "The store refuses to delete a call before its date, where it can (Object Lock, governance)."
        )
    return found


def _places(config: Config, site: Site) -> dict[str, str]:
    s3 = config.profile.store.s3
    places = {
        "published calls": _where(site.store, s3.endpoint, s3.region),
        "raw audio": "a folder of the service",
    }
    if config.profile.originals.keep == "seal":
        places["originals"] = _where(config.profile.originals.location, s3.endpoint, s3.region)
    return places


def _where(location: str, endpoint: str, region: str | None) -> str:
    if location.startswith("s3://"):
        return f"object store at {endpoint}" + (f", region {region}" if region else "")
    return "a folder of the service"
