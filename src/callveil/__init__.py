"""Callveil: call recordings kept only with consent, with the spoken personal data gone."""

__version__ = "0.1.0"
