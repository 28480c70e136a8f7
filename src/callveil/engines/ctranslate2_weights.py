"""Whisper weights of a CTranslate2 model, in the names and shapes of openai-whisper.

Both projects keep Whisper's weights as float16, so one can be read as the other without loss. That
lets openai-whisper listen with the very file that faster-whisper uses, and needs no second download.

Source: format written by `ModelSpec._serialize` of CTranslate2 4.x (ctranslate2/specs/model_spec.py), binary
version 6; names from ctranslate2/specs/whisper_spec.py and openai-whisper's whisper/model.py.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from callveil.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights: TypeAlias = dict[str, NDArray[Any]]

_BINARY_VERSION = 6
_DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}

_BLOCK_NAMES = {
    "self_attention/layer_norm": "attn_ln",
    "self_attention/linear_1": "attn.out",
    "attention/layer_norm": "cross_attn_ln",
    "attention/linear_0": "cross_attn.query",
    "attention/linear_2": "cross_attn.out",
    "ffn/layer_norm": "mlp_ln",
    "ffn/linear_0": "mlp.0",
    "ffn/linear_1": "mlp.2",
}
_STACKED = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
}
_TOP_NAMES = {
    "encoder/conv1": "encoder.conv1",
    "encoder/conv2": "encoder.conv2",
    "encoder/layer_norm": "encoder.ln_post",
    "decoder/layer_norm": "decoder.ln",
}
_WHOLE_NAMES = {
    "encoder/position_encodings/encodings": "encoder.positional_embedding",
    "decoder/position_encodings/encodings": "decoder.positional_embedding",
    "decoder/embeddings/weight": "decoder.token_embedding.weight",
}
_FIELDS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


class _Reader:
    """Little-endian numbers, strings and arrays from a byte buffer."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)
        self._at = 0

    def take(self, n_bytes: int) -> memoryview:
        if n_bytes > len(self._content) - self._at:
            raise ValueError("the file ends too early")
        part = self._content[self._at : self._at + n_bytes]
        self._at += n_bytes
        return part

    def number(self, code: str) -> int:
        return int(struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0])

    def string(self) -> str:
        return bytes(self.take(self.number("H"))[:-1]).decode("utf-8")

    def array(self) -> NDArray[Any]:
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = self.number("B")
        if kind not in _DTYPES:
            raise ValueError(f"number type {kind} is unknown")
        data = self.take(self.number("I"))
        return np.frombuffer(data, dtype=_DTYPES[kind]).reshape(shape)


def read_variables(path: Path) -> Weights:
    """Read all variables of a CTranslate2 `model.bin`.

    Args:
        path: The file, at least CTranslate2 3.0 (binary version 6).

    Returns:
        Arrays by CTranslate2's own names, such as "encoder/conv1/weight".

    Raises:
        ModelError: Not a Whisper model of that format, or cut off.
    """
    reader = _Reader(path.read_bytes())
    try:
        version = reader.number("I")
        spec = reader.string()
        if version != _BINARY_VERSION or spec != "WhisperSpec":
            raise ValueError("it is no CTranslate2 Whisper model of binary version 6")
        reader.number("I")
        return {reader.string(): reader.array() for _ in range(reader.number("I"))}
    except (ValueError, struct.error) as error:
        raise ModelError(f"{path.name}: cannot be read as Whisper weights: {error}") from error


def whisper_dimensions(variables: Weights) -> dict[str, int]:
    """The sizes openai-whisper's `ModelDimensions` asks for, read from the shapes.

    Args:
        variables: From `read_variables`.
    """
    n_audio_state, n_mels, _ = variables["encoder/conv1/weight"].shape
    n_vocab, n_text_state = variables["decoder/embeddings/weight"].shape
    return {
        "n_mels": n_mels,
        "n_audio_ctx": variables["encoder/position_encodings/encodings"].shape[0],
        "n_audio_state": n_audio_state,
        "n_audio_head": int(variables["encoder/num_heads"]),
        "n_audio_layer": _count_layers(variables, "encoder"),
        "n_vocab": n_vocab,
        "n_text_ctx": variables["decoder/position_encodings/encodings"].shape[0],
        "n_text_state": n_text_state,
        "n_text_head": int(variables["decoder/num_heads"]),
        "n_text_layer": _count_layers(variables, "decoder"),
    }


def whisper_state(variables: Weights) -> Weights:
    """Rename and split the variables into openai-whisper's state dict, as float32.

    Args:
        variables: From `read_variables`; stored as float16 or float32.

    Raises:
        ModelError: The weights are quantised, so they cannot be turned back.
    """
    state: Weights = {}
    for name, array in variables.items():
        if array.ndim == 0 or name.split("/")[1].startswith("alignment"):
            continue
        if array.dtype.kind != "f":
            raise ModelError(
                "model.bin: quantised weights cannot be read; a float16 or float32 file is needed"
            )
        state.update(_renamed(name, array.astype(np.float32)))
    return state


def _renamed(name: str, array: NDArray[Any]) -> Weights:
    if name in _WHOLE_NAMES:
        return {_WHOLE_NAMES[name]: array}
    place, field = name.rsplit("/", 1)
    if place in _TOP_NAMES:
        return {f"{_TOP_NAMES[place]}.{_FIELDS[field]}": array}
    side, layer, part = place.split("/", 2)
    block = f"{side}.blocks.{layer.removeprefix('layer_')}"
    if part in _BLOCK_NAMES:
        return {f"{block}.{_BLOCK_NAMES[part]}.{_FIELDS[field]}": array}
    names = _STACKED[part]
    parts = dict(zip(names, np.split(array, len(names)), strict=True))
    # The key projection of Whisper has no bias; CTranslate2 stores zeros in its place.
    return {
        f"{block}.{part_name}.{field}": value
        for part_name, value in parts.items()
        if not (field == "bias" and part_name.endswith("key"))
    }


def _count_layers(variables: Weights, side: str) -> int:
    layers = {name.split("/")[1] for name in variables if name.startswith(f"{side}/layer_")}
    return len(layers - {"layer_norm"})
