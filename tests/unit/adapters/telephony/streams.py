"""What the tests of live streams share."""

from callveil.adapters.telephony.live import Begin, Close, End, Gap, Samples, Send
from callveil.vocabulary.consent import Action, Flag


def simple_gate(call):
    """The consent gate in small: the most restrictive flag counts."""
    flags = {record.flag for record in call.consent}
    if Flag.DENIED in flags or Flag.WITHDRAWN in flags:
        return Action.DISCARD
    return Action.KEEP if flags == {Flag.GRANTED} else Action.HOLD


def only(kind, outputs):
    return [output for output in outputs if isinstance(output, kind)]


def check_order(outputs, *, done):
    """What holds for every stream: one Begin, contiguous audio after it, one End, one Close and then nothing.

    Returns:
        The timeline's length in samples.
    """
    begins, ends, closes = (only(kind, outputs) for kind in (Begin, End, Close))
    assert len(begins) <= 1
    assert len(ends) == (len(begins) if done else 0)
    assert len(closes) <= 1
    if closes:
        assert outputs[-1] is closes[0]
        assert len(closes[0].reason.encode()) <= 123
    about_audio = only((Begin, Samples, Gap, End), outputs)
    if about_audio:
        assert isinstance(about_audio[0], Begin)
        assert not any(isinstance(output, End) for output in about_audio[:-1])
    position = 0
    for output in only((Samples, Gap), outputs):
        assert output.start_sample == position, "samples and gaps follow each other"
        frame = begins[0].start.format.frame_bytes
        n_samples = output.n_samples if isinstance(output, Gap) else len(output.data) // frame
        if isinstance(output, Samples):
            assert len(output.data) % frame == 0
        assert n_samples > 0
        position += n_samples
    return position


__all__ = ["Begin", "Close", "End", "Gap", "Samples", "Send", "check_order", "only", "simple_gate"]
