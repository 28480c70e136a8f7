"""The policies in force: the newest set of the ledger, else the profile's file, and its own one behind them.

Policies that people put in force on the pages stand in the ledger's database, so that every process goes by
the same ones. `PoliciesInForce` is what a process that runs for long asks, again and again.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from callveil.adapters.ledger_sql import open_ledger
from callveil.adapters.retention_policies import load_policies, parse_policies, read_policies
from callveil.config import Config, Profile, Site
from callveil.errors import ConfigError
from callveil.ports import PolicySets
from callveil.retention.check import Finding, check_policies
from callveil.vocabulary.retention import KeptPart, Period, Policy


class PoliciesInForce(Protocol):
    """Which policies are in force."""

    def now(self) -> tuple[Policy, ...]:
        """They, the profile's own fallback last.

        Raises:
            ConfigError: They are wrong, or contradict each other.
            LedgerError: The database failed.
        """

    def look_again(self) -> None:
        """Believe no earlier answer, however young: others may just have come into force."""

    @property
    def name(self) -> str:
        """Where they stand, for people: "retention.toml", "set 3 of the ledger"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPolicies:
    """Policies that do not change while this process runs.

    Attributes:
        policies: They.
        name: Where they stand, for people.
    """

    policies: tuple[Policy, ...]
    name: str = "policies"

    def now(self) -> tuple[Policy, ...]:
        """See `PoliciesInForce`."""
        return self.policies

    def look_again(self) -> None:
        """See `PoliciesInForce`."""


class LivePolicies:
    """The newest set of the ledger, else those of the profile's file. Notices when there is a newer one.

    Args:
        config: The profile.
        sets: Those of the ledger.
        checked_s: Seconds for which an answer is believed; 0 asks for the version every time.
    """

    def __init__(self, config: Config, sets: PolicySets, *, checked_s: float = 1.0) -> None:
        self._config, self._sets, self._checked_s = config, sets, checked_s
        self._lock = threading.Lock()
        self._version, self._policies = -1, ()  # type: tuple[int, tuple[Policy, ...]]
        self._checked = -math.inf

    def now(self) -> tuple[Policy, ...]:
        """See `PoliciesInForce`."""
        with self._lock:
            self._look()
            return self._policies

    def look_again(self) -> None:
        """See `PoliciesInForce`."""
        with self._lock:
            self._checked = -math.inf

    @property
    def name(self) -> str:
        """See `PoliciesInForce`."""
        with self._lock:
            self._look()
            return f"set {self._version} of the ledger" if self._version else file_name(self._config)

    def _look(self) -> None:
        if self._version >= 0 and time.monotonic() - self._checked < self._checked_s:
            return
        version = self._sets.version()
        if version != self._version:
            # Until the new ones are read, those of before are forgotten: what is wrong must not go by unseen.
            self._version = -1
            self._policies = _of_version(self._config, self._sets, version)
            self._version = version
        self._checked = time.monotonic()


def _of_version(config: Config, sets: PolicySets, version: int) -> tuple[Policy, ...]:
    if not version:
        return open_policies(config)
    return policies_in(sets.get(version).text, config, f"set {version} of the ledger")


def open_policies(
    config: Config, file: Path | None = None, sets: PolicySets | None = None
) -> tuple[Policy, ...]:
    """Read the policies of an installation once.

    Args:
        config: The profile.
        file: Read this file in the place of what is in force.
        sets: Those of the ledger; the newest goes before the profile's file. None where there is no ledger.

    Returns:
        Those of the set or file, and last the fallback: the profile's `retention.policy` and
        `retention.keep_days`.

    Raises:
        ConfigError: They are wrong, or contradict each other.
        LedgerError: The database failed.
    """
    if file is None and sets is not None and (version := sets.version()):
        return _of_version(config, sets, version)
    policies = _read(config, file)
    _check(policies, str(file or config.retention_policies or config.source))
    return policies


def policies_of_site(config: Config, site: Site) -> FixedPolicies:
    """The policies in force of an installation, which may not have a ledger yet. Makes none.

    Raises:
        ConfigError: They are wrong, or contradict each other.
        LedgerError: The database failed.
    """
    url = site.ledger.get_secret_value()
    scheme, _, path = url.partition(":///")
    if scheme == "sqlite" and not Path(path).is_file():
        return FixedPolicies(policies=open_policies(config), name=file_name(config))
    live = LivePolicies(config, open_ledger(url).books.policy_sets)
    return FixedPolicies(policies=live.now(), name=live.name)


def file_name(config: Config) -> str:
    """Where the policies of a profile stand, for people."""
    file = config.retention_policies
    return str(file) if file is not None else f"profile {config.name}"


def text_of_file(config: Config) -> str:
    """The file of a profile's policies; empty when it has none.

    Raises:
        ConfigError: It cannot be read.
    """
    return "" if config.retention_policies is None else read_policies(config.retention_policies)


def findings_of(policies: Sequence[Policy], config: Config) -> tuple[Finding, ...]:
    """What does not fit together in policies that were read from text: contradictions first, then notes."""
    return check_policies((*policies, fallback_policy(config.profile)))


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
