from __future__ import annotations

import struct

import numpy as np
import pytest

from callveil.engines.ctranslate2_weights import read_variables, whisper_dimensions, whisper_state
from callveil.errors import ModelError

_TYPES = {"f4": 0, "i1": 1, "i2": 2, "i4": 3, "f2": 4}


def string(text):
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def model_bin(variables, version=6, spec="WhisperSpec"):
    content = struct.pack("<I", version) + string(spec) + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        content += string(name) + struct.pack("<B", array.ndim)
        content += b"".join(struct.pack("<I", size) for size in array.shape)
        content += struct.pack("<BI", _TYPES[array.dtype.str[1:]], array.nbytes) + array.tobytes()
    return (
        content
        + struct.pack("<I", 1)
        + string("decoder/projection/weight")
        + string("decoder/embeddings/weight")
    )


def small_whisper(state=4, layers=1, heads=2):
    rng = np.random.default_rng(3)

    def make(*shape):
        return rng.standard_normal(shape).astype(np.float16)

    variables = {
        "encoder/conv1/weight": make(state, 80, 3),
        "encoder/conv1/bias": make(state),
        "encoder/num_heads": np.array(heads, dtype=np.int16),
        "encoder/position_encodings/encodings": make(1500, state),
        "decoder/embeddings/weight": make(51864, state),
        "decoder/num_heads": np.array(heads, dtype=np.int16),
        "decoder/position_encodings/encodings": make(448, state),
        "decoder/layer_norm/gamma": make(state),
        "decoder/alignment_layer": np.array(-1, dtype=np.int16),
    }
    for side, i in [(side, i) for side in ("encoder", "decoder") for i in range(layers)]:
        variables[f"{side}/layer_{i}/self_attention/linear_0/weight"] = make(3 * state, state)
        variables[f"{side}/layer_{i}/self_attention/linear_0/bias"] = make(3 * state)
        variables[f"{side}/layer_{i}/ffn/linear_1/weight"] = make(state, 4 * state)
    variables["decoder/layer_0/attention/linear_1/weight"] = make(2 * state, state)
    variables["decoder/layer_0/attention/linear_1/bias"] = make(2 * state)
    return variables


@pytest.fixture
def write(tmp_path):
    def to_file(content):
        path = tmp_path / "model.bin"
        path.write_bytes(content)
        return path

    return to_file


def test_what_was_written_is_read(write):
    variables = small_whisper()
    read = read_variables(write(model_bin(variables)))
    assert read.keys() == variables.keys()
    assert all(np.array_equal(read[name], array) for name, array in variables.items())


def test_dimensions_come_from_the_shapes(write):
    read = read_variables(write(model_bin(small_whisper(state=4, layers=3, heads=2))))
    assert whisper_dimensions(read) == {
        "n_mels": 80,
        "n_audio_ctx": 1500,
        "n_audio_state": 4,
        "n_audio_head": 2,
        "n_audio_layer": 3,
        "n_vocab": 51864,
        "n_text_ctx": 448,
        "n_text_state": 4,
        "n_text_head": 2,
        "n_text_layer": 3,
    }


def test_stacked_projections_are_split_and_the_key_has_no_bias():
    variables = small_whisper(state=4)
    state = whisper_state(variables)
    stacked = variables["encoder/layer_0/self_attention/linear_0/weight"]
    for i, part in enumerate(("query", "key", "value")):
        expected = stacked[4 * i : 4 * i + 4].astype(np.float32)
        assert np.array_equal(state[f"encoder.blocks.0.attn.{part}.weight"], expected)
    cross = variables["decoder/layer_0/attention/linear_1/bias"]
    assert np.array_equal(state["decoder.blocks.0.cross_attn.value.bias"], cross[4:].astype(np.float32))
    assert not [name for name in state if name.endswith("key.bias")]
    assert {array.dtype for array in state.values()} == {np.dtype(np.float32)}
    assert "decoder.ln.weight" in state
    assert "encoder.blocks.0.mlp.2.weight" in state


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x06\0\0\0",
        model_bin(small_whisper(), version=5),
        model_bin(small_whisper(), spec="TransformerSpec"),
        model_bin(small_whisper())[:5000],
    ],
    ids=["empty", "cut after the version", "other version", "other model", "cut off"],
)
def test_other_files_are_refused(write, content):
    with pytest.raises(ModelError, match=r"^model\.bin: "):
        read_variables(write(content))


def test_quantised_weights_are_refused():
    variables = small_whisper() | {"encoder/conv1/weight": np.zeros((4, 80, 3), dtype=np.int8)}
    with pytest.raises(ModelError, match="quantised"):
        whisper_state(variables)
