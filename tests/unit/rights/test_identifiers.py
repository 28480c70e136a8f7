import string
from dataclasses import dataclass

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callveil.errors import MetadataError
from callveil.rights.identifiers import (
    LOCAL,
    identities_of,
    local_spellings,
    normalise,
    normalise_customer_id,
    normalise_email,
    normalise_phone,
    region_of,
)
from callveil.testing import call
from callveil.vocabulary.call import Call, Identifiers, Party, Role
from callveil.vocabulary.rights import IdentifierKind, Identity

LONDON = "+442079460958"


@pytest.mark.parametrize(
    ("written", "region", "expected"),
    [
        ("+442079460958", None, LONDON),
        ("+44 20 7946 0958", None, LONDON),
        ("+44 (0)20 7946-0958", "DE", LONDON),
        ("＋４４ ２０ ７９４６ ０９５８", None, LONDON),
        ("\u202a+44 20 7946 0958\u202c", None, LONDON),
        ("0044 20 7946 0958", None, LONDON),
        ("0044 20 7946 0958", "GB", LONDON),
        ("0044 20 7946 0958", "US", LONDON),
        ("011 44 20 7946 0958", "US", LONDON),
        ("020 7946 0958", "GB", LONDON),
        ("(020) 7946.0958", "GB", LONDON),
        ("442079460958", "GB", LONDON),
        ("tel:+44-20-7946-0958", None, LONDON),
        ("TEL:+442079460958;ext=22", None, LONDON),
        ("tel:79460958;phone-context=+44-20", None, LONDON),
        ("sip:+442079460958@pbx.example.com", None, LONDON),
        ("sips:%2B442079460958@pbx.example.com:5061;user=phone", None, LONDON),
        ("sip:+442079460958;cpc=ordinary@pbx.example.com", None, LONDON),
        ("+44 20 7946 0958 ext. 12", None, LONDON),
        ("+44 20 7946 0958 x12", None, LONDON),
        ("+44 20 7946 0958 extension 12", None, LONDON),
        ("+44 20 7946 0958#12", None, LONDON),
        ("+44 20 7946 0958,,12", None, LONDON),
        ("٠٢٠٧٩٤٦٠٩٥٨", "GB", LONDON),
        ("+44 7700 900123", None, "+447700900123"),
        ("(415) 555-0100", "US", "+14155550100"),
        ("06 12345678", "IT", "+390612345678"),
        ("+39 06 12345678", None, "+390612345678"),
        ("020 7946 0958", None, LOCAL + "02079460958"),
        ("02079460958", None, LOCAL + "02079460958"),
        ("020 7946 0958", "XX", LOCAL + "02079460958"),
        ("1234", "GB", LOCAL + "1234"),
        ("sip:1001@pbx.example.com", None, LOCAL + "1001"),
        ("+999123456789", None, LOCAL + "999123456789"),
    ],
)
def test_one_number_has_one_spelling(written, region, expected):
    assert normalise_phone(written, region=region) == expected


@pytest.mark.parametrize(
    "written",
    [
        "", " ", "anonymous", "sip:alice@example.com", "sip:anonymous@anonymous.invalid", "12", "+", "+-()",
        "0000000000", "+1 111 111 1111", "1" * 33, "x12", "ext. 12345", "020 7946 0958 or 0959", "*31#123456",
        "+266696687", "+7378742833", "a@b.example", "4²", "\u0000",
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_without_showing_it(written):
    with pytest.raises(MetadataError) as caught:
        normalise_phone(written, region="GB", field="parties.1.phone")
    assert str(caught.value).startswith("parties.1.phone: ")
    assert len(written.strip()) < 3 or written.strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Ada.King+calls@Example.ORG", "ada.king+calls@example.org"),
        ("  ada@example.org ", "ada@example.org"),
        ("ada@example.org.", "ada@example.org"),
        ("ａｄａ＠example。org", "ada@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u0308cher.example", "ada@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@foo_bar.example", "ada@foo_bar.example"),
        ("a\u200bda@example.org", "ada@example.org"),
    ],
)
def test_one_address_has_one_spelling(written, expected):
    assert normalise_email(written) == expected


@pytest.mark.parametrize(
    "written",
    ["", "ada", "@example.net", "ada@", "ada@.org", "a@b..c", "a b@example.org", "<ada@example.org>"],
)
def test_what_is_no_address_is_refused_without_showing_it(written):
    with pytest.raises(MetadataError, match=r"^--email: ") as caught:
        normalise_email(written, field="--email")
    assert not written or written not in str(caught.value)


def test_addresses_that_may_differ_are_not_joined():
    addresses = ["ada@example.org", "ada+calls@example.org", "a.da@example.org", "ada@mail.example.org"]
    assert len({normalise_email(address) for address in addresses}) == 4


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("C-0012", "c-0012"),
        (" c - 00 12 ", "c-0012"),
        ("Ｃ－００１２", "c-0012"),
        ("0012", "0012"),
        ("KD\u00a04711\u2009x", "kd4711x"),
    ],
)
def test_one_customer_id_has_one_spelling(written, expected):
    assert normalise_customer_id(written) == expected


@pytest.mark.parametrize("written", ["", "  \t", "\u200b", "a\u0000b", "x" * 257])
def test_what_is_no_customer_id_is_refused(written):
    with pytest.raises(MetadataError, match=r"^customer_id: "):
        normalise_customer_id(written)


@given(st.text(max_size=60), st.sampled_from([None, "GB", "US", "DE", "XX"]))
@example("ﬃ@ŐŐ.example", None)
def test_any_text_is_normalised_or_refused_in_words_of_ours(text, region):
    for kind in IdentifierKind:
        try:
            found = normalise(kind, text, region=region)
        except MetadataError as error:
            if not str(error).startswith(kind.value):
                pytest.fail("another error")
        else:
            assert found == found.strip() != ""


@given(st.text(max_size=40))
@example("ŉ ΐ ǰ ς İ ẛ̣")
def test_normalising_twice_changes_nothing(text):
    for kind in (IdentifierKind.EMAIL, IdentifierKind.CUSTOMER_ID):
        for written in (text, f"{text}@{text}.example"):
            try:
                once = normalise(kind, written)
            except MetadataError:
                continue
            assert normalise(kind, once) == once


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.data())
def test_every_way_to_write_a_number_is_the_same_number(region, data):
    number = phonenumbers.example_number(region)
    if number is None or not phonenumbers.is_possible_number(number):
        return
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    style = data.draw(st.sampled_from([0, 1, 2, 3]))  # E164, INTERNATIONAL, NATIONAL, RFC3966
    written = phonenumbers.format_number(number, style)
    assert normalise_phone(written, region=region) == e164
    assert normalise_phone(e164, region=data.draw(st.sampled_from([None, "US", "IT"]))) == e164
    digits = "".join(sign for sign in written if sign in string.digits)
    if style in (1, 2) and len(set(digits)) > 1:
        assert LOCAL + digits in local_spellings(e164)


@given(st.integers(10**6, 10**11), st.sampled_from(["", " ", "-", "."]))
def test_national_digits_without_a_country_match_themselves(number, between):
    digits = "0" + str(number).lstrip("0")
    written = between.join(digits)
    assert normalise_phone(written) in (LOCAL + digits, normalise_phone(digits))


def test_a_local_number_has_no_other_spellings():
    assert local_spellings(LOCAL + "123456") == ()


@pytest.mark.parametrize(
    ("jurisdiction", "region"),
    [("GB", "GB"), ("US-CA", "US"), ("us", "US"), ("XX", None), ("", None), (None, None), ("Mars", None)],
)
def test_the_country_of_a_jurisdiction(jurisdiction, region):
    assert region_of(jurisdiction) == region


@dataclass
class Plain:
    generation = 1

    def identity(self, kind, value, party):
        return Identity(kind=kind, digest=value, generation=1, party=party)


def test_identities_of_a_call():
    parties = (
        Party(role=Role.AGENT, jurisdiction="GB"),
        Party(
            role=Role.CUSTOMER,
            jurisdiction="GB",
            identifiers=Identifiers(phone="020 7946 0958", email="Ada@example.org", customer_id="C 12"),
        ),
        Party(role=Role.THIRD_PARTY, identifiers=Identifiers(phone="anonymous", email="Ada@example.org")),
    )
    found = identities_of(Call(call_id="c", started_at=call().started_at, parties=parties), Plain())
    assert [(each.kind.value, each.digest, each.party) for each in found] == [
        ("phone", LONDON, 1),
        ("email", "ada@example.org", 1),
        ("customer_id", "c12", 1),
        ("email", "ada@example.org", 2),
    ]
