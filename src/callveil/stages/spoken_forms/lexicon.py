"""The words in which people say digits, letters, dates and fillers. English."""

from __future__ import annotations

from typing import Final


def words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


UNITS: Final = {
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "naught": "0", "nil": "0", "null": "0",
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9", "niner": "9",
}  # fmt: skip
TEENS: Final = {
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14",
    "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19",
}  # fmt: skip
TENS: Final = {
    "twenty": "2", "thirty": "3", "forty": "4", "fourty": "4", "fifty": "5",
    "sixty": "6", "seventy": "7", "eighty": "8", "ninety": "9",
}  # fmt: skip
PLURALS: Final = {
    "zeros": "0", "zeroes": "0", "ohs": "0", "noughts": "0", "ones": "1", "twos": "2", "threes": "3",
    "fours": "4", "fives": "5", "sixes": "6", "sevens": "7", "eights": "8", "nines": "9",
}  # fmt: skip
SCALES: Final = {"hundred": 100, "thousand": 1000}
MULTIPLIERS: Final = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
HOMOPHONES: Final = {"for": "4", "fore": "4", "to": "2", "too": "2", "ate": "8", "won": "1", "tree": "3"}
"""Words that a recogniser writes for a digit; they count only inside a run or at its edge."""

PHONETIC: Final = {
    "alpha": "A", "alfa": "A", "bravo": "B", "charlie": "C", "delta": "D", "echo": "E", "foxtrot": "F",
    "golf": "G", "hotel": "H", "india": "I", "juliet": "J", "juliett": "J", "kilo": "K", "lima": "L",
    "mike": "M", "november": "N", "oscar": "O", "papa": "P", "quebec": "Q", "romeo": "R", "sierra": "S",
    "tango": "T", "uniform": "U", "victor": "V", "whiskey": "W", "whisky": "W", "xray": "X",
    "yankee": "Y", "zulu": "Z", "zed": "Z", "zee": "Z",
}  # fmt: skip
"""ICAO spelling alphabet. Source: ICAO Annex 10, volume II, 5.2.1.3."""

LETTER_NAMES: Final = {
    "ay": "A", "bee": "B", "cee": "C", "dee": "D", "eff": "F", "gee": "G", "aitch": "H", "jay": "J",
    "kay": "K", "el": "L", "ell": "L", "em": "M", "en": "N", "pee": "P", "queue": "Q", "cue": "Q",
    "ar": "R", "ess": "S", "tee": "T", "vee": "V", "ex": "X", "why": "Y",
}  # fmt: skip

MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"), ("february", "feb"), ("march", "mar"), ("april", "apr"), ("may",),
            ("june", "jun"), ("july", "jul"), ("august", "aug"), ("september", "sept", "sep"),
            ("october", "oct"), ("november", "nov"), ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip

ORDINALS: Final = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14,
    "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
    "twentieth": 20, "thirtieth": 30,
}  # fmt: skip

FILLERS: Final = words(
    "um uh er erm eh ah mm hm hmm hum mhm uhm huh like so well okay ok yeah yes yep right let me see think "
    "sorry no wait actually correction pardon again mean"
)
"""May stand inside a run of digits or letters without ending it."""

JOINERS: Final = words(
    "dash hyphen minus slash stroke dot point space then and plus underscore capital lower lowercase "
    "upper extension ext uppercase case letter letters number digit digits not comma"
)
"""Said between the characters of one value."""

SPELLING_LINKS: Final = (("for",), ("as", "in"), ("as", "an"), ("is", "for"), ("like",), ("in", "as"), ("4",))
"""Between a letter and its example word: "V for Victor", "S as in sugar"."""

COUNTED: Final = words(
    "pound pounds quid dollar dollars buck bucks euro euros cent cents pence penny percent percentage "
    "year years month months monthly week weeks weekly day days daily hour hours minute minutes mins "
    "second seconds sec secs night nights mile miles km kilometre kilometres kilometer kilometers "
    "degree degrees kilo kilos kg gram grams milligram milligrams mg ml litre litres liter liters "
    "gallon gallons inch inches foot feet yard yards metre metres meter meters centimetre centimetres "
    "centimeter centimeters cm mm square megabit megabits megabyte megabytes mb mbps gigabyte gigabytes "
    "gigabit gb gig gigs kilowatt kilowatts watt watts volt volts hertz amp amps pm am o'clock oclock "
    "people person persons adult adults child children kid kids guest guests room rooms bedroom "
    "bedrooms bed beds item items piece pieces unit units box boxes photo photos photographs copies "
    "pack packs ticket tickets bag bags star stars point points times million billion thousand hundred "
    "working business instalments installments payments unread more ago stock seats passengers cars "
    "copay moment sec grand ish nights tonnes pints cups tablets pills doses lights"
)
"""A number before one of these counts or measures something."""

COUNT_LEADS: Final = words(
    "about around nearly almost roughly approximately over under until till between from by past before "
    "after since only at version error section chapter page model step level line lane room floor aisle "
    "gate series option channel band grade size queue flight row table terminal platform windows galaxy "
    "flights iphone xbox playstation ford bmw audi"
)
"""A short number after one of these is a count, a clock time or a model."""

COURTESY: Final = words(
    "yes yeah yep yup yea g'day no nope sure okay ok oh ah um uh er erm mm hm hmm mhm huh well so right "
    "alright certainly course absolutely thanks thank please hi hello hey sorry pardon great lovely "
    "perfect brilliant excellent fine good wonderful awesome cool morning afternoon evening bye goodbye "
    "cheers welcome now just let me see sec second moment hang hold on one correct exactly ma'am sir "
    "madam problem worries then actually still also first full last middle both all with pleasure of"
)

FUNCTION_WORDS: Final = words(
    "wife wife's husband husband's son son's daughter daughter's mother mother's father father's "
    "a an the this that these those it its it's that's thats there there's here here's i i'm i've i'd "
    "i'll me my mine we we're we've we'll our ours us you you're you've you'll your yours he he's she "
    "she's him her his hers they they're them their theirs who whose whom which what what's when where "
    "where's why how how's is are was were be been being am isn't aren't wasn't do does did don't "
    "doesn't didn't done doing has have had having haven't hasn't can can't cannot could couldn't will "
    "won't would wouldn't shall should may might must get got getting go going goes went gone come came "
    "take took taken taking make made making give gave given say says said saying tell told see saw "
    "seen know knew known think thought want wanted wants need needed needs like liked look looking "
    "looks use used using try tried trying call called calling calls put spell spelled spelt spelling "
    "spells says it'd name name's names surname surname's surnames forename number address email "
    "postcode code date birth born phone card account details customer holder policy and or but nor if "
    "because as until while than then too very really quite at by for from in into of off on onto out "
    "over to under up down with without about after before between through not no any some much many "
    "more most few little less least lot lots only just even ever never always sometimes often again "
    "already yet still now today tomorrow yesterday time times thing things something anything nothing "
    "everything else other others another same different new old good bad big small long short high low "
    "able back way today's let's that'd that'll should've yes no okay ok sure please thank thanks sorry "
    "speaking speak speaks help mister mr mrs ms miss missus doctor dr sir madam maam ma'am under"
)
"""Words that are no name, street or secret themselves."""
