from hypothesis import given
from hypothesis import strategies as st

from callveil.stages.attribute import attribute
from callveil.vocabulary.transcript import SpeakerSegment, Word


def said(channel: int, start_s: float, text: str, step_s: float = 0.3) -> list[Word]:
    return [
        Word(
            text=t,
            start_s=start_s + i * step_s,
            end_s=start_s + (i + 0.9) * step_s,
            probability=1,
            channel=channel,
        )
        for i, t in enumerate(text.split())
    ]


def segment(speaker: str, start_s: float, end_s: float, channel: int | None = None) -> SpeakerSegment:
    return SpeakerSegment(speaker=speaker, channel=channel, start_s=start_s, end_s=end_s)


DUAL = [segment("agent", 0, 60, 0), segment("customer", 0, 60, 1)]


def lines(turns) -> list[str]:
    return [f"{turn.speaker}: {turn.text}" for turn in turns]


def test_question_and_answer():
    words = said(0, 0, "your name please") + said(1, 2, "it is Ann") + said(0, 4, "thanks")
    assert lines(attribute(words, DUAL)) == [
        "agent: your name please",
        "customer: it is Ann",
        "agent: thanks",
    ]


def test_a_back_channel_is_its_own_turn_and_does_not_cut_the_other():
    words = said(1, 0, "four one one one one two three four") + said(0, 1.0, "mm-hm")
    assert lines(attribute(words, DUAL)) == ["customer: four one one one one two three four", "agent: mm-hm"]


def test_a_pause_with_an_answer_in_it_ends_a_turn():
    words = said(1, 0, "four one") + said(0, 1.0, "mm-hm") + said(1, 1.6, "two three")
    assert lines(attribute(words, DUAL)) == ["customer: four one", "agent: mm-hm", "customer: two three"]


def test_a_short_pause_alone_does_not():
    words = said(1, 0, "four one") + said(1, 2.0, "two three")
    assert lines(attribute(words, DUAL)) == ["customer: four one two three"]


def test_a_long_pause_alone_does():
    assert len(attribute(said(1, 0, "four") + said(1, 3, "two"), DUAL)) == 2


def test_roles_of_the_metadata_name_the_channels():
    turns = attribute(said(0, 0, "hello"), DUAL, {0: "customer", 1: "agent"})
    assert lines(turns) == ["customer: hello"]


def test_roles_do_not_hide_several_speakers_of_a_mono_call():
    segments = [segment("speaker_1", 0, 1), segment("speaker_2", 1, 2)]
    turns = attribute(said(0, 0, "hello") + said(0, 1.2, "hi"), segments, {0: "agent"})
    assert lines(turns) == ["speaker_1: hello", "speaker_2: hi"]


def test_mono_words_go_to_the_speaker_with_most_of_the_word():
    segments = [segment("speaker_1", 0, 1.0), segment("speaker_2", 0.9, 3)]
    turns = attribute(said(0, 0, "can you hear me yes I can"), segments)
    assert lines(turns) == ["speaker_1: can you hear", "speaker_2: me yes I can"]


def test_in_overlap_the_shorter_segment_keeps_its_words():
    segments = [segment("speaker_1", 0, 10), segment("speaker_2", 2, 2.5)]
    turns = attribute(said(0, 0, "so I went there") + said(0, 2.1, "yeah"), segments)
    assert lines(turns) == ["speaker_1: so I went there", "speaker_2: yeah"]


def test_a_word_between_segments_goes_to_the_nearest():
    segments = [segment("speaker_1", 0, 1), segment("speaker_2", 5, 6)]
    assert lines(attribute(said(0, 1.5, "well"), segments)) == ["speaker_1: well"]


def test_without_segments_the_channel_is_the_speaker():
    assert lines(attribute(said(1, 0, "hello"), [])) == ["channel_1: hello"]


words = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0, 50), st.floats(0.02, 1)).map(
        lambda t: Word(text="x", start_s=t[1], end_s=t[1] + t[2], probability=1, channel=t[0])
    ),
    max_size=30,
)


@given(words=words)
def test_every_word_is_in_exactly_one_turn(words):
    turns = attribute(words, DUAL)
    assert sorted((w for t in turns for w in t.words), key=id) == sorted(words, key=id)
    assert [t.start_s for t in turns] == sorted(t.start_s for t in turns)
    assert all(w.channel == t.channel for t in turns for w in t.words)
