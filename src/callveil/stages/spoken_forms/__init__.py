"""Spoken forms: what runs of words stand for, with every character knowing its word. Pure text."""

from callveil.stages.spoken_forms.characters import read
from callveil.stages.spoken_forms.dates import SpokenDate, find_dates
from callveil.stages.spoken_forms.emails import find_emails
from callveil.stages.spoken_forms.runs import Run, find_runs
from callveil.stages.spoken_forms.sounds import sounds_alike
from callveil.stages.spoken_forms.tokens import Token, tokenise

__all__ = [
    "Run",
    "SpokenDate",
    "Token",
    "find_dates",
    "find_emails",
    "find_runs",
    "read",
    "sounds_alike",
    "tokenise",
]
