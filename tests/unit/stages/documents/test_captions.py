import re

from hypothesis import given
from hypothesis import strategies as st

from callveil.stages.documents.captions import captions_vtt
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord


def turn(text, start_s=0.0, speaker="agent", word_s=0.4):
    words = tuple(
        MaskedWord(text=t, start_s=start_s + i * word_s, end_s=start_s + (i + 1) * word_s, entity=None)
        for i, t in enumerate(text.split(" "))
    )
    return MaskedTurn(speaker=speaker, channel=0, start_s=start_s, end_s=words[-1].end_s, words=words)


def written(*turns):
    return captions_vtt(turns).content.decode()


def test_a_cue_has_number_times_and_voice():
    assert written(turn("Good morning.", 3661.5)) == (
        "WEBVTT\n\n1\n01:01:01.500 --> 01:01:02.300\n<v agent>Good morning.\n"
    )


def test_no_turns_is_a_valid_empty_file():
    assert written() == "WEBVTT\n"


def test_cues_are_in_order_of_start():
    text = written(turn("second", 5.0), turn("first", 1.0, speaker="customer"))
    assert text.index("<v customer>first") < text.index("<v agent>second")


def test_markup_is_escaped():
    text = written(turn("a<b> & --> c", speaker="x<y>\nz"))
    assert "<v x&lt;y&gt; z>a&lt;b&gt; &amp; --&gt; c" in text


def test_long_turns_are_cut_by_length_and_by_time():
    cues = written(turn(" ".join(["seven77"] * 40), word_s=0.1)).split("\n\n")[1:]
    assert len(cues) == 4
    assert all(len(cue.splitlines()[-1]) <= 84 + len("<v agent>") for cue in cues)
    slow = written(turn("one two three four", word_s=3.0)).split("\n\n")[1:]
    assert [cue.splitlines()[-1] for cue in slow] == ["<v agent>one two", "<v agent>three four"]


def test_masked_run_gives_one_label_and_lasts_to_its_end():
    words = (
        MaskedWord(text="[IBAN]", start_s=1.0, end_s=1.4, entity="IBAN"),
        MaskedWord(text="", start_s=1.5, end_s=6.0, entity="IBAN"),
    )
    only = MaskedTurn(speaker="agent", channel=0, start_s=1.0, end_s=6.0, words=words)
    assert written(only).endswith("00:00:01.000 --> 00:00:06.000\n<v agent>[IBAN]\n")


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=30), st.floats(0, 36000), st.floats(0, 30)),
        max_size=12,
    )
)
def test_every_cue_ends_after_it_starts_and_holds_no_arrow(items):
    turns = [
        MaskedTurn(
            speaker="agent",
            channel=0,
            start_s=start,
            end_s=start + length,
            words=(MaskedWord(text=text, start_s=start, end_s=start + length, entity=None),),
        )
        for text, start, length in items
    ]
    blocks = captions_vtt(turns).content.decode().strip("\n").split("\n\n")[1:]
    assert len(blocks) == len(items)
    starts = []
    for block in blocks:
        _, times, text = block.split("\n", 2)
        start, end = re.fullmatch(r"(\d{2,}:\d\d:\d\d\.\d{3}) --> (\d{2,}:\d\d:\d\d\.\d{3})", times).groups()
        assert start < end
        assert "-->" not in text
        starts.append(start)
    assert starts == sorted(starts)
