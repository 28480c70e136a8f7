"""The retention policies of a profile: those of its file, and its own one behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from callveil.adapters.retention_policies import load_policies, parse_policies
from callveil.config import Config, Profile
from callveil.errors import ConfigError
from callveil.retention.check import check_policies
from callveil.vocabulary.retention import KeptPart, Period, Policy


def open_policies(config: Config, file: Path | None = None) -> tuple[Policy, ...]:
    """Read the policies of a profile.

    Args:
        config: The profile.
        file: Read this file in the place of the profile's own.

    Returns:
        Those of the file, and last the fallback: the profile's `retention.policy` and `retention.keep_days`.

    Raises:
        ConfigError: The file is wrong, or its policies contradict each other.
    """
    policies = _read(config, file)
    _check(policies, str(file or config.retention_policies or config.source))
    return policies


def policies_in(text: str, config: Config, where: str) -> tuple[Policy, ...]:
    """Policies to be tried in the place of those of a profile's file.

    Args:
        text: TOML.
        config: The profile, for its fallback.
        where: Named in errors.

    Raises:
        ConfigError: The text is wrong, or its policies contradict each other.
    """
    policies = (*parse_policies(text, where), fallback_policy(config.profile))
    _check(policies, where)
    return policies


def _check(policies: Sequence[Policy], where: str) -> None:
    errors = [finding.text for finding in check_policies(policies) if finding.is_error]
    if errors:
        raise ConfigError("\n".join(f"{where}: {text}" for text in errors))


def policy_notes(config: Config, file: Path | None = None) -> tuple[str, ...]:
    """What to know about the policies of a profile, in sentences: overlaps, and originals that nobody keeps.

    Raises:
        ConfigError: The file is wrong.
    """
    policies = _read(config, file)
    notes = [finding.text for finding in check_policies(policies) if not finding.is_error]
    keep_originals = [
        f'"{policy.name}"'
        for policy in policies
        if KeptPart.ORIGINAL in policy.keep or KeptPart.ORIGINAL in policy.duty
        if not policy.match.outcomes or "published" in policy.match.outcomes
    ]
    if keep_originals and config.profile.originals.keep == "shred":
        notes.append(
            f"the original is to be kept by {', '.join(keep_originals)}, but originals.keep of the profile "
            'is "shred": of a published call there is none'
        )
    return tuple(notes)


def fallback_policy(profile: Profile) -> Policy:
    """The profile's own policy, which counts where no other one does.

    It names the original where originals are sealed. Where they are not, the raw audio of a call that was
    never published is the original, and lives as long as the rest.
    """
    keep = dict.fromkeys(
        (KeptPart.AUDIO, KeptPart.TRANSCRIPT, KeptPart.CERTIFICATE), Period(days=profile.retention.keep_days)
    )
    if profile.originals.keep == "seal":
        keep[KeptPart.ORIGINAL] = Period(days=profile.originals.keep_days)
    return Policy(name=profile.retention.policy, keep=keep, fallback=True)


def _read(config: Config, file: Path | None) -> tuple[Policy, ...]:
    path = file or config.retention_policies
    loaded = load_policies(path) if path is not None else ()
    return (*loaded, fallback_policy(config.profile))
