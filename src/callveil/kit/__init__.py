"""Build what a job needs from a profile and a site. The one place that names concrete classes."""

from callveil.kit.accounts import open_accounts, open_passwords
from callveil.kit.drops import open_drop
from callveil.kit.office import Enlisting, Office, build_enlisting, build_office, office_of
from callveil.kit.places import (
    LazyHasher,
    Originals,
    open_key_wrapper,
    open_landing,
    open_originals,
    open_store,
    open_subject_keys,
)
from callveil.kit.policies import fallback_policy, open_policies, policies_in, policy_notes
from callveil.kit.processing import (
    Kit,
    LazyDiarizer,
    LazySigner,
    SystemClock,
    UsedModels,
    audio_limits,
    build_kit,
    build_listener,
    check_config,
    engine_options,
    open_signer,
    signer_of,
)
from callveil.kit.service import Service, build_service, make_landing_key, make_subject_keys
from callveil.kit.store_trials import try_location
from callveil.kit.trust import trusted_by, trusted_keys

__all__ = [
    "Enlisting",
    "Kit",
    "LazyDiarizer",
    "LazyHasher",
    "LazySigner",
    "Office",
    "Originals",
    "Service",
    "SystemClock",
    "UsedModels",
    "audio_limits",
    "build_enlisting",
    "build_kit",
    "build_listener",
    "build_office",
    "build_service",
    "check_config",
    "engine_options",
    "fallback_policy",
    "make_landing_key",
    "make_subject_keys",
    "office_of",
    "open_accounts",
    "open_drop",
    "open_key_wrapper",
    "open_landing",
    "open_originals",
    "open_passwords",
    "open_policies",
    "open_signer",
    "open_store",
    "open_subject_keys",
    "policies_in",
    "policy_notes",
    "signer_of",
    "trusted_by",
    "trusted_keys",
    "try_location",
]
