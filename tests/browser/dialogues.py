"""What is said in the calls of the house. Invented; braces mark personal data: {KIND:words}."""

from __future__ import annotations

import re
from dataclasses import dataclass

from callveil.vocabulary.pii import Entity

MISSED_NAME = "Rosalind"
"""Said in the dialogue "missed", and known to no detector: what a reviewer finds and marks."""

LEAKED_NAME = "Cassius"
"""Said in the dialogue "leak"; only the listener hears it, so that call is quarantined."""

DIALOGUES: dict[str, str] = {
    "card": """
A: Good morning, Harbour Electric, how can I help you today?
C: Hello, I would like to pay my bill, please.
A: Of course. May I have your name, please?
C: {PERSON:Maud Ferring.}
A: Thank you. And the long number across your card?
C: {CREDIT_CARD:four one one one, two two three three, nine nine zero zero, seven six five four.}
A: And the three digits on the back?
C: {CARD_SECURITY_CODE:eight one five.}
A: That is paid now. Is there anything else I can do for you?
C: No, that is all. Thank you very much, goodbye.
""",
    "address": """
A: Northwind Water, good afternoon.
C: Hi, I am moving house and need to change my address.
A: No problem. Where are you moving to?
C: To {ADDRESS:twelve Gannet Street, Portsmouth.}
A: Can I take a phone number for the engineer?
C: {PHONE_NUMBER:oh seven seven zero zero nine hundred one two three.}
A: Lovely. The engineer will ring before ten.
C: Great, thank you.
""",
    "refund": """
A: Customer service, what can I do for you?
C: My parcel arrived broken and I want a refund.
A: I am sorry to hear that. Which order is it?
C: It is {REFERENCE_NUMBER:K seven seven four one.}
A: I can see it. I will refund the whole amount to your account.
C: When will I have the money?
A: In three to five working days.
C: That is fine. Can you send me an e-mail?
A: Yes, to which address?
C: {EMAIL_ADDRESS:maud dot ferring at example dot org.}
""",
    "appointment": """
A: Doctor's surgery, hello.
C: Hello, I need an appointment this week, please.
A: What is your date of birth?
C: {DATE_OF_BIRTH:The third of March nineteen seventy one.}
A: Thank you. Friday at half past nine?
C: Friday is fine. Thank you.
""",
    "complaint": """
A: Complaints, good morning.
C: The line has been down for a whole week and nobody calls me back.
A: I understand, and I am sorry. Let me look at the line now.
C: I was promised a visit on Monday and nobody came.
A: I can see that the visit was cancelled by mistake. I will put it right today.
C: I want to speak to your manager.
A: I will ask her to call you back within the hour.
""",
    "missed": """
A: Harbour Electric, good evening, how can I help you?
C: I am calling for my neighbour Rosalind, she cannot come to the phone.
A: Is there a contract in her name?
C: Yes, she has been with you for many years.
A: Then I need her to call us herself, I am afraid.
C: I will tell her. Thank you.
""",
    "leak": """
A: Good morning, who am I speaking to?
C: My name is Cassius and I would like to change my tariff.
A: I can do that for you now.
""",
    "bank": """
A: Savings desk, hello.
C: Hello, I want to move money to another account.
A: What is the number of the account?
C: {IBAN:G B eight two W E S T one two three four five six.}
A: Thank you. And for your security, a letter of your password?
C: {PASSWORD_OR_PIN:Tango.}
A: The money will be there tomorrow.
""",
}

_PIECE = re.compile(r"\{(?P<kind>[A-Z_]+):(?P<said>[^}]+)\}|(?P<plain>[^\s{}]+)")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, and by whom."""

    text: str
    channel: int
    begins_turn: bool


def tokens_of(name: str) -> list[Token]:
    """The words of a dialogue in order; the agent is on channel 0, the customer on channel 1."""
    found: list[Token] = []
    for line in DIALOGUES[name].strip().splitlines():
        who, _, said = line.partition(": ")
        words = [
            text for piece in _PIECE.finditer(said) for text in (piece["said"] or piece["plain"]).split()
        ]
        found += [Token(text, "AC".index(who), not index) for index, text in enumerate(words)]
    return found


PHRASES: dict[tuple[str, ...], Entity] = {
    tuple(piece["said"].split()): Entity(piece["kind"])
    for text in DIALOGUES.values()
    for piece in _PIECE.finditer(text)
    if piece["kind"]
} | {(LEAKED_NAME,): Entity.PERSON}
"""What the detector knows, and its kind."""

VOCABULARY = sorted({token.text for name in DIALOGUES for token in tokens_of(name)})
