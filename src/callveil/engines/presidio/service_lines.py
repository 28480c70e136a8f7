"""The company's own numbers and addresses, read out by the agent: no personal data."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Stream
from callveil.stages.spoken_forms import Run

_PREFIX = re.compile(
    r"(?:44)?0?(?:800|808|300|303|330|333|343|344|345|370|371|843|844|845|870|871)\d{6,7}"
    r"|1?(?:800|888|877|866|855|844|833)\d{7}"
)
"""Numbers that only organisations have. Source: Ofcom National Telephone Numbering Plan (03, 08) and the
toll-free codes of the North American numbering plan."""

_OURS = re.compile(
    r"\bour (?:\w+ ){0,3}(?:number|line|address|office|branch|store)\b|\b(?:helpline|hotline|"
    r"switchboard|head office)\b"
    r"|\bnumber for (?:the )?(?:\w+ ){0,3}(?:branch|branches|office|store|shop|department|team|desk|line)\b"
    r"|\b(?:branch|department|office|store|desk|team|service|services)(?:es)?(?: number)? (?:is|are)\b"
    r"|\b(?:call|ring|reach|contact|text|visit|write to) us\b|\bwe're (?:at|based|located)\b"
)
_TOLD = re.compile(
    r"(?<!i )(?<!we )(?<!i'll )(?<!we'll )(?<!to )(?<!can )\b(?:call|ring|dial|phone)(?: us)?(?: on| at)?$"
)
"""The agent tells the other party to ring a number: "if you're lost, ring"."""
_THEIRS = re.compile(r"\b(?:your|you|yours|records?|system|file|have for)\b")
_ALIKE = 0.75


def is_ours(stream: Stream, tokens: range) -> bool:
    """True when the agent's words before a place present it as the company's own."""
    if stream.speaker != "agent":
        return False
    start = max(stream.sentence(tokens.start).start, tokens.start - 14)
    lead = stream.words(range(start, tokens.start))
    return bool(_TOLD.search(lead)) or (bool(_OURS.search(lead)) and not _THEIRS.search(lead))


def is_service_line(dialogue: Dialogue, stream: Stream, run: Run) -> bool:
    """True for a number of the company's, and for the same number said again.

    A number that the customer says first is never one.
    """
    if run.n_letters or not 9 <= len(run.digits) <= 12:
        return False
    if stream.speaker == "agent" and _PREFIX.fullmatch(run.digits):
        return True
    start_s = stream.tokens[run.tokens.start].start_s
    for agent in dialogue.streams:
        if agent.speaker != "agent":
            continue
        for other in agent.runs:
            first = agent.tokens[other.tokens.start].start_s
            alike = SequenceMatcher(None, other.digits, run.digits, autojunk=False).ratio() >= _ALIKE
            if first <= start_s and alike and is_ours(agent, other.tokens):
                return True
    return False
