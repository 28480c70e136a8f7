"""The main job: one call goes in; a redacted recording comes out, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from callveil.kit import Kit
from callveil.pipeline.listen import OnProgress, listen
from callveil.pipeline.publish import (
    Redacted,
    check_may_publish,
    decide_retention,
    is_published,
    keep_nothing,
    publish,
    published_already,
    quarantine,
)
from callveil.pipeline.redact import redact
from callveil.pipeline.seal import erase_original, seal_original
from callveil.pipeline.stopwatch import Stopwatch
from callveil.ports import AudioSource
from callveil.stages.consent_gate import decide_consent
from callveil.stages.retention_tags import NEVER
from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.proof import VerifyResult
from callveil.vocabulary.recording import Outcome
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.reviews import Stretch


def record_call(
    call: Call,
    recording: AudioSource,
    kit: Kit,
    *,
    input_sha256: Callable[[], str],
    arriving: bool = False,
    replace: bool = False,
    missed: Sequence[Stretch] = (),
    vouched: Sequence[Stretch] = (),
    before_publish: Callable[[], None] = lambda: None,
    on_progress: OnProgress = lambda _: None,
) -> Outcome:
    """Turn one call into a redacted, tagged recording in the store, if it may be kept.

    Args:
        call: Its metadata.
        recording: Its audio.
        kit: Engines, rules, store and clock.
        input_sha256: Tells the SHA-256 of the recording in hex; of a call that still arrives, once it has.
        arriving: The call is still going on; `recording` waits for what is said.
        replace: Redo a call that is published already.
        missed: What reviewers marked in an earlier recording of this call; masked whatever is found.
        vouched: What reviewers vouched for; see `redact`.
        before_publish: Called right before anything is written for a redacted call; raises what forbids it.
        on_progress: Told the seconds of the call heard so far.

    Returns:
        How it ended: published, quarantined because it could not be proven clean, held, discarded, or
        skipped because the same recording is published already.

    Raises:
        AudioError: The recording cannot be read.
        EngineError: An engine failed. Nothing is published.
        RefusedError: Another recording is published under this call id, or a lock forbids deleting it.
        StoreError: The store failed. Nothing is published.
    """
    watch = Stopwatch()
    decision = decide_consent(call, kit.rules, kit.clock.now())
    if decision.action is not Action.KEEP:
        return _keep_nothing(call, decision, kit, input_sha256())
    if not (arriving or replace) and (done := published_already(call, decision, kit, input_sha256())):
        return done

    heard = listen(
        recording,
        kit,
        language=call.language,
        until_s=decision.keep_until_s,
        watch=watch,
        on_progress=on_progress,
        arriving=arriving,
    )
    # Only now the call's length is known; a withdrawal said to lie beyond its end cannot be believed.
    decision = decide_consent(call, kit.rules, kit.clock.now(), heard.duration_s)
    if decision.action is not Action.KEEP:
        return _keep_nothing(call, decision, kit, input_sha256())

    until_s = decision.keep_until_s
    with redact(
        recording, heard, call, kit, watch, until_s=until_s, missed=missed, vouched=vouched
    ) as redaction:
        redacted = Redacted(
            call=call,
            decision=decision,
            input_sha256=input_sha256(),
            language=heard.language,
            redaction=redaction,
        )
        before_publish()
        if redaction.verification.result is not VerifyResult.CLEAN:
            return _quarantine(redacted, kit, watch)
        _seal(recording, redacted, kit, watch, replace=replace)
        return publish(redacted, kit, watch, replace=replace)


def _keep_nothing(call: Call, decision: ConsentDecision, kit: Kit, input_sha256: str) -> Outcome:
    outcome = keep_nothing(call, decision, kit, input_sha256)
    if decision.action is Action.DISCARD:
        erase_original(call.call_id, kit.originals)
    return outcome


def _quarantine(redacted: Redacted, kit: Kit, watch: Stopwatch) -> Outcome:
    outcome = quarantine(redacted, kit, watch)
    if not is_published(redacted.call, kit):  # no original outlives what a withdrawal or a failure took back
        erase_original(redacted.call.call_id, kit.originals)
    return outcome


def _seal(recording: AudioSource, redacted: Redacted, kit: Kit, watch: Stopwatch, *, replace: bool) -> None:
    """Before publishing: a retry skips what is published, so its original would never be sealed."""
    if kit.originals is None:
        return
    check_may_publish(redacted, kit, replace=replace)
    until = next(
        part.until for part in decide_retention(redacted, kit).parts if part.part is KeptPart.ORIGINAL
    )
    with watch("seal"):
        seal_original(
            redacted.call,
            recording,
            redacted.redaction.spans,
            kit.originals,
            input_sha256=redacted.input_sha256,
            until_s=redacted.decision.keep_until_s,
            expires_at=until or NEVER,
            now=kit.clock.now(),
        )
