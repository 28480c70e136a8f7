"""Twilio's documented example, and everything that must not pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.adapters.telephony.twilio_signature import verify_signature
from callveil.errors import SignatureError

# The worked example of https://www.twilio.com/docs/usage/security#validating-requests.
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
PARAMS = {
    "To": "+18005551212",
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+12349013030",
    "Caller": "+12349013030",
}
TOKEN = "12345"
SIGNATURE = "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


def test_documented_example():
    verify_signature(URL, PARAMS, SIGNATURE, [TOKEN])


@pytest.mark.parametrize("tokens", [["new", TOKEN], [TOKEN, "new"], ["", TOKEN]])
def test_either_token_counts(tokens):
    verify_signature(URL, PARAMS, SIGNATURE, tokens)


@pytest.mark.parametrize("host", ["mycompany.com", "mycompany.com:443"])
def test_port_may_be_written_or_not(host):
    verify_signature(URL.replace("mycompany.com", host), PARAMS, SIGNATURE, [TOKEN])


@pytest.mark.parametrize(
    "url", ["wss://a.example", "wss://a.example/", "wss://a.example:443", "wss://a.example:443/"]
)
def test_stream_address_without_path(url):
    # Of wss://a.example/, by `openssl dgst -sha1 -hmac 12345 -binary | base64`.
    verify_signature(url, {}, "Jwm3wvLUesXw6FPasPVeN8Yajxk=", [TOKEN])


@pytest.mark.parametrize(
    ("url", "params", "signature", "tokens"),
    [
        (URL, PARAMS, SIGNATURE, []),
        (URL, PARAMS, SIGNATURE, [""]),
        (URL, PARAMS, SIGNATURE, ["other"]),
        (URL, PARAMS, None, [TOKEN]),
        (URL, PARAMS, "", [TOKEN]),
        (URL, PARAMS, SIGNATURE[:-1], [TOKEN]),
        (URL, PARAMS, SIGNATURE + "=", [TOKEN]),
        (URL, PARAMS, SIGNATURE.lower(), [TOKEN]),
        (URL, PARAMS, "x" * 1000, [TOKEN]),
        (URL, PARAMS, "é\ud800", [TOKEN]),
        (URL, {**PARAMS, "Digits": "9999"}, SIGNATURE, [TOKEN]),
        (URL, {}, SIGNATURE, [TOKEN]),
        (URL.replace("https", "http"), PARAMS, SIGNATURE, [TOKEN]),
        (URL.replace("bar=2", "bar=3"), PARAMS, SIGNATURE, [TOKEN]),
        (URL.replace("mycompany", "yourcompany"), PARAMS, SIGNATURE, [TOKEN]),
        (URL.replace(".com", ".com:444"), PARAMS, SIGNATURE, [TOKEN]),
        ("https://[bad", PARAMS, SIGNATURE, [TOKEN]),
        ("https://a:99999999/", PARAMS, SIGNATURE, [TOKEN]),
    ],
)
def test_refused(url, params, signature, tokens):
    with pytest.raises(SignatureError) as raised:
        verify_signature(url, params, signature, tokens)
    assert TOKEN not in str(raised.value)
    assert "1234" not in str(raised.value)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_address_and_signature_are_refused(url, signature):
    with pytest.raises(SignatureError):
        verify_signature(url, PARAMS, signature, [TOKEN])
