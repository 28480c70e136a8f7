"""Build what a job needs from a profile and a site. The one place that names concrete classes."""

from callveil.kit.drops import open_drop
from callveil.kit.office import Office
from callveil.kit.places import Originals, open_key_wrapper, open_landing, open_originals, open_store
from callveil.kit.policies import fallback_policy, open_policies, policy_notes
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
from callveil.kit.service import Service, build_service, make_landing_key
from callveil.kit.store_trials import try_location

__all__ = [
    "Kit",
    "LazyDiarizer",
    "LazySigner",
    "Office",
    "Originals",
    "Service",
    "SystemClock",
    "UsedModels",
    "audio_limits",
    "build_kit",
    "build_listener",
    "build_service",
    "check_config",
    "engine_options",
    "fallback_policy",
    "make_landing_key",
    "open_drop",
    "open_key_wrapper",
    "open_landing",
    "open_originals",
    "open_policies",
    "open_signer",
    "open_store",
    "policy_notes",
    "signer_of",
    "try_location",
]
