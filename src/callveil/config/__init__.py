"""The only reader of profile files and of the environment: profiles, and where a service finds its parts."""

from callveil.config.profile import (
    SECRET_VARIABLES,
    Config,
    EngineConfig,
    Profile,
    Secrets,
    Setting,
    VerifyConfig,
    explain,
    load_config,
    profile_names,
    read_secret,
    read_toml,
    validate,
)
from callveil.config.service import ServiceConfig
from callveil.config.site import SITE_VARIABLES, IngestKey, KeyRole, Site, load_site, make_process_site
from callveil.config.web import OidcConfig, WebConfig

__all__ = [
    "SECRET_VARIABLES",
    "SITE_VARIABLES",
    "Config",
    "EngineConfig",
    "IngestKey",
    "KeyRole",
    "OidcConfig",
    "Profile",
    "Secrets",
    "ServiceConfig",
    "Setting",
    "Site",
    "VerifyConfig",
    "WebConfig",
    "explain",
    "load_config",
    "load_site",
    "make_process_site",
    "profile_names",
    "read_secret",
    "read_toml",
    "validate",
]
