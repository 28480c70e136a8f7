"""Names that sound alike: a recogniser writes an unusual name differently each time it is said."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_RULES = (
    (r"^(?:kn|gn|pn)", "n"), (r"^wr", "r"), (r"^ps", "s"), (r"mb$", "m"), (r"tch", "c"),
    (r"sch|sh|sz|cz", "x"), (r"ch", "c"), (r"ph", "f"), (r"ght", "t"), (r"gh", ""), (r"ck|q", "k"),
    (r"c(?=[eiy])", "s"), (r"c", "k"), (r"z", "s"), (r"dg(?=e)", "j"), (r"w(?![aeiouy])", "f"),
    (r"v", "f"), (r"x", "s"), (r"j", "i"), (r"y", "i"),
)  # fmt: skip
_VOWELS = re.compile(r"[aeiouh]+")
_DOUBLED = re.compile(r"(.)\1+")


def sound_key(name: str) -> str:
    """The consonants of a name as they sound, about one letter a sound; the first vowel is kept as "a"."""
    text = re.sub(r"[^a-z]", "", name.lower())
    for pattern, sound in _RULES:
        text = re.sub(pattern, sound, text)
    head = "a" if text[:1] and text[0] in "aeiou" else ""
    return _DOUBLED.sub(r"\1", head + _VOWELS.sub("", text))


def sounds_alike(first: str, second: str) -> bool:
    """True when two spellings may be the same name, misheard.

    Short names must agree in every sound; longer ones may differ in a part of it.
    """
    one, two = (re.sub(r"[^a-z]", "", name.lower()) for name in (first, second))
    if not one or not two:
        return False
    if one == two:
        return True
    if min(len(one), len(two)) < 4:
        return False
    key_one, key_two = sound_key(one), sound_key(two)
    spelling = SequenceMatcher(None, one, two, autojunk=False).ratio()
    if key_one == key_two and len(key_one) >= 2:
        return spelling >= 0.5
    sounds = SequenceMatcher(None, key_one, key_two, autojunk=False).ratio()
    return len(key_one) >= 3 and one[0] == two[0] and spelling >= 0.68 and sounds >= 0.7
