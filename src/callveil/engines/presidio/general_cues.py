"""Cues of no kind of their own: what ends an expectation, and what keeps it."""

from __future__ import annotations

from callveil.stages.cues import KEEP, RESET, cues

GENERAL_CUES = (
    *cues(
        KEEP,
        r"(?:could|can|would|please|how)(?: do| would| did)?(?: you)?(?: please)? spell(?: that|"
        r" it)?(?: out)?|spell (?:that|it)(?: out)?",
        r"once more|one more time|say (?:that|it) again|repeat (?:that|it)|read (?:that|it|"
        r"this)(?: all)? back|you broke up|start again",
        r"didn't (?:catch|get) (?:that|it)|let me (?:check|repeat|confirm) (?:that|it)?|"
        r"only heard|is that (?:right|correct)",
    ),
    *cues(
        RESET,
        r"how (?:can|may) (?:i|we) (?:help|assist)|anything else|what can i do for you|"
        r"what's (?:changed|wrong|happened|the problem)",
        r"how (?:much|many|long|often|far|old|big|fast|soon|do|did|would|is|was)|what (?:time|"
        r"speed|model|colou?r|size|kind|type|day|sort of)",
        r"when (?:does|is|will|would|do|can|did|was|should)|balance|amount|total|price|cost|"
        r"costs|discount|opening hours|we're open|lines are open",
        r"(?:promo|promotion|promotional|discount|voucher|coupon|error|dress|country|colou?r|"
        r"product|item|style) codes?",
        r"(?:comes|came|amounts|adds up) to|comes out (?:at|to)|that'll be|that will be|(?:i|you|"
        r"we) owe|you paid|i paid",
        r"(?:we|we're|they're|are|it's|they) (?:are )?open(?:ed)?|open (?:from|at|until|on)|"
        r"close[sd]? at",
        r"error|version|section|model|series|quote|seat|gate|flight|"
        r"by the way|we close|excess|limit",
    ),
)
