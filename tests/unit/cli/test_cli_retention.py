"""The verbs of retention on a data folder, as a person uses them."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from callveil.cli import app
from callveil.config import load_config, load_site
from callveil.kit import build_service
from callveil.stages.retention_tags import call_prefix, policy_tags
from callveil.testing import START, call
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart
from callveil.vocabulary.retention import Decision, Hold, HoldScope

POLICIES = """
[[policies]]
name = "sales"
match = { queues = ["sales"] }
keep = { audio = "90 days", transcript = "2 years", original = "90 days" }

[[policies]]
name = "contract"
match = { tags = ["contract"] }
since = "contract_end"
keep = { audio = "1 year", transcript = "1 year" }
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.delenv("CALLVEIL_DATA", raising=False)
    (tmp_path / "own.toml").write_text(POLICIES)
    profile = tmp_path / "centre.toml"
    profile.write_text("[retention]\npolicies = 'own.toml'\n")

    def run(*arguments, code=0):
        given = [*arguments, "--data", str(tmp_path), "--profile", str(profile)]
        done = CliRunner().invoke(app, ["retention", *given])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            return done.exception
        assert done.exit_code == code, done.output
        return done.output

    return run


@pytest.fixture
def service(run, tmp_path):
    assert CliRunner().invoke(app, ["landing-key", "create", "--data", str(tmp_path)]).exit_code == 0
    made = build_service(load_config(str(tmp_path / "centre.toml")), load_site(tmp_path))
    for number, queue in enumerate(("sales", "sales", None)):
        publish(made, f"c-{number}", queue=queue)
    return made


def publish(service, call_id, **more):
    made = replace(call(call_id), **more)
    prefix = call_prefix(made)
    parts = [PublishedPart(part=part, body=MaskedDocument(content=b"{}"), media_type="x/y") for part in Part]
    tags = {"callveil-call": call_id, **policy_tags(Decision(parts=()))}
    service.store.publish(prefix, parts, tags=tags, retain_until=None)
    service.ledger.enlist(NewCall(call=made, landing=None, source="process"), actor="test", now=START)
    done = Settlement(state=CallState.PUBLISHED, prefix=prefix, duration_s=1800.0)
    service.ledger.record(call_id, done, actor="test", now=START)


def hold(service, call_id):
    placed = Hold(
        hold_id="hold-0123456789ab",
        scope=HoldScope.CALL,
        reason="matter 17",
        authority="Commercial Court",
        placed_by="cli:ada",
        placed_at=START,
    )
    service.books.holds.place(placed, call_ids=[call_id], actor="cli:ada", now=START)


def test_simulate_tells_what_is_due_on_a_day(run, service):
    found = json.loads(run("simulate", "--at", "2027-03-01", "--json"))
    assert found["on"] == "2027-03-01"
    assert found["total"]["ends_after"] == {"calls": 3, "hours": 1.5}
    assert found["total"]["deleted_after"] == {"calls": 2, "hours": 1.0}
    assert found["parts_due"]["transcript"]["after"]["calls"] == 0
    assert {(row["policy"], row["month"]) for row in found["rows"]} == {
        ("sales", "2027-02"),
        ("standard", "2027-11"),
    }
    words = run("simulate", "--at", "2027-03-01")
    assert "What the policies would do on 2027-03-01; nothing is touched." in words
    assert re.search(r"calls whose audio is to be deleted +2 \(1\.0 h\)", words)
    assert len(list(service.store.list_calls())) == 3


def test_simulate_tries_changed_policies_out(run, service, tmp_path):
    changed, chart = tmp_path / "changed.toml", tmp_path / "chart.svg"
    changed.write_text(POLICIES.replace("90 days", "30 days"))
    options = ["simulate", "--policies", str(changed), "--at", "2027-01-15", "--plot", str(chart)]
    found = json.loads(run(*options, "--json"))
    assert found["policies"]["after"] == str(changed)
    assert found["total"]["deleted_before"]["calls"] == 0
    assert found["total"]["deleted_after"]["calls"] == found["total"]["shortened"]["calls"] == 2
    assert ET.parse(chart).getroot().tag.endswith("svg")
    words = run(*options)
    assert "calls kept shorter by the change" in words
    assert f"The chart is in {chart}" in words


def test_policies_that_are_wrong_are_refused(run, service, tmp_path):
    (tmp_path / "bad.toml").write_text(POLICIES + 'duty = { audio = "5 years" }')
    error = run("simulate", "--policies", str(tmp_path / "bad.toml"))
    assert type(error).__name__ == "ConfigError"
    assert "its duty is 5 years" in str(error)


def test_sweep_without_yes_only_tells(run, service):
    words = run("sweep", "--at", "2027-03-01")
    assert "Of 2 of them something is due; of 0 all that was left." in words
    assert "Nothing was deleted. To delete what is due: add --yes" in words
    found = json.loads(run("sweep", "--at", "2027-03-01", "--json"))
    assert (found["done"], found["due"], found["deleted"]) == (False, 2, 0)
    assert {"policy": "sales", "part": "audio", "calls": 2} in found["parts"]
    assert service.store.get("calls/2026/11/23/c-0/audio.flac") == b"{}"


def test_sweep_deletes_what_is_due_and_a_hold_stays(run, service):
    hold(service, "c-0")
    words = run("sweep", "--at", "2029-01-01", "--yes")
    assert "Under legal hold, so they stay: 1." in words
    assert "Deleted of 2 calls; 0 deletions of earlier runs finished." in words
    assert list(service.store.list_calls()) == ["calls/2026/11/23/c-0/"]
    assert service.ledger.get("c-1").state is CallState.ERASED
    found = json.loads(run("sweep", "--at", "2029-01-01", "--yes", "--json"))
    assert (found["done"], found["due"], found["held"]) == (True, 0, 1)


def test_without_a_day_nothing_of_the_future_goes(run, service):
    found = json.loads(run("sweep", "--json"))
    assert found["calls"] == 3
    assert found["due"] == (0 if service.clock.now() < START + timedelta(days=90) else 2)


def test_apply_brings_tags_to_what_the_policies_say(run, service):
    assert "3 published calls looked at, 3 would change:" in run("apply")
    found = json.loads(run("apply", "--yes", "--json"))
    assert (found["done"], found["calls"], found["tags"]) == (True, 3, 3)
    tags = service.store.tags("calls/2026/11/23/c-0/audio.flac")
    assert (tags["callveil-retention"], tags["callveil-expires"]) == ("sales", "2028-11-23")
    assert "3 published calls looked at, 0 changed:" in run("apply", "--yes")


def test_an_event_starts_the_time_of_a_call(run, service):
    publish(service, "c-9", tags=("contract",))
    assert "has not come" in run("show", "--call", "c-9")
    given = ["event", "--call", "c-9", "--name", "contract_end", "--at"]
    assert "Written down" in run(*given, "2027-01-01")
    found = json.loads(run("show", "--call", "c-9", "--json"))
    assert found["events"] == {"contract_end": "2027-01-01T00:00:00.000Z"}
    assert found["parts"][0]["until"] == "2028-01-01T00:00:00.000Z"
    assert json.loads(run(*given, "2027-02-01T01:00:00+01:00", "--json"))["at"].startswith("2027-02-01T00:00")


@pytest.mark.parametrize(
    ("name", "at", "says"),
    [
        ("contractend", "2027-01-01", "no policy counts from that event; allowed: contract_end"),
        ("call_end", "2027-01-01", "no policy counts from that event"),
        ("contract_end", "yesterday", "is no such time"),
        ("contract_end", "2027-01-01T10:00:00", "has no offset"),
    ],
)
def test_an_event_that_is_none(run, service, name, at, says):
    error = run("event", "--call", "c-0", "--name", name, "--at", at)
    assert type(error).__name__ == "MetadataError"
    assert says in str(error)


def test_show_tells_what_is_decided_and_why(run, service):
    hold(service, "c-1")
    words = run("show", "--call", "c-0", "--at", "2027-03-01")
    assert "Policies that fit it: sales, standard." in words
    assert "The audio is to be deleted. Its time ended on 2027-02-21: by policy" in words
    assert "The transcript stays. Kept until 2028-11-23" in words
    assert "A legal hold for Commercial Court keeps it" in run("show", "--call", "c-1")
    assert type(run("show", "--call", "nobody")).__name__ == "NotFoundError"


def test_a_folder_without_a_ledger_is_refused(run):
    error = run("sweep")
    assert type(error).__name__ == "ConfigError"
    assert "there is no ledger" in str(error)


def test_what_is_in_force_is_printed_and_named(run, service):
    assert run("policies").strip() == POLICIES.strip()
    assert "own.toml" in run("sweep")
    new = '[[policies]]\nname = "new"\nkeep = { audio = "5 days" }\n'
    sets = service.books.policy_sets
    made = {"actor": "user:ada", "approved_by": "user:bea", "now": START}
    sets.put(new, base=0, note="counsel", **made)
    assert run("policies") == new
    assert json.loads(run("policies", "--json"))["set"]["number"] == 1
    assert "Set 1: " in run("policies", "--history")
    assert "user:ada, user:bea agreed. counsel" in run("policies", "--history")
    assert json.loads(run("policies", "--history", "--json"))["in_force"] == "set 1 of the ledger"
    assert type(run("policies", "--set", "7")).__name__ == "NotFoundError"
    for verb in (["sweep"], ["apply"], ["show", "--call", "c-2"]):
        assert "Policies in force: set 1 of the ledger" in run(*verb)
    assert json.loads(run("simulate", "--json"))["policies"]["before"] == "set 1 of the ledger"
    assert "Policies that fit it: new, standard." in run("show", "--call", "c-2")
