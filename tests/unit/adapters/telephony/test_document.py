"""The examples of TELEPHONY.md do what it says."""

import importlib.util
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from callveil.adapters.telephony.call_settings import Side, make_call
from callveil.adapters.telephony.siprec import parse_siprec
from callveil.adapters.telephony.twilio_media import TwilioStream
from callveil.vocabulary.call import Role
from callveil.vocabulary.consent import Action, Flag, Purpose

_SPEC = importlib.util.spec_from_file_location("telephony_streams", Path(__file__).with_name("streams.py"))
streams = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(streams)

TEXT = (Path(__file__).parents[4] / "TELEPHONY.md").read_text(encoding="utf-8")
JSON = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
TWIML, SIPREC = re.findall(r"```xml\n(.*?)```", TEXT, re.DOTALL)
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("example", JSON)
def test_configuration_of_genesys(example):
    config = json.loads(example)
    call, problem = make_call(
        call_id="c-1", started_at=NOW, sides=[Side(role=Role.CUSTOMER, channel=0)],
        settings=config.get("callveil", config), source="open", may_name=False,
    )  # fmt: skip
    assert problem is None
    assert streams.simple_gate(call) is Action.KEEP


def test_parameters_of_twilio():
    parameters = {p.get("name"): p.get("value") for p in ElementTree.fromstring(TWIML).iter("Parameter")}
    start = {
        "event": "start", "streamSid": "MZ1",
        "start": {
            "callSid": "CA1", "customParameters": {**parameters, "customer_phone": "+353100000042"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }  # fmt: skip
    (begin,) = TwilioStream(now=NOW, gate=streams.simple_gate).receive_text(json.dumps(start))
    assert (begin.start.hold, begin.start.problem, begin.start.call.queue) == (False, None, "billing")
    assert begin.start.call.parties[0].identifiers.phone == "+353100000042"


def test_extension_of_siprec():
    call = parse_siprec(SIPREC.encode(), default_started_at=NOW).call
    assert (call.queue, call.parties[0].role, call.parties[0].jurisdiction) == (
        "billing",
        Role.CUSTOMER,
        "IE",
    )
    required = {(r.purpose, r.party) for r in call.consent if r.flag is Flag.GRANTED}
    assert {(Purpose.RECORDING, None), (Purpose.RECORDING, 0), (Purpose.ANALYTICS, 0)} <= required
