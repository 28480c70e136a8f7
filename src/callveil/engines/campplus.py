"""CAM++, a speaker embedding network, in PyTorch.

Own implementation of the published architecture, with the module names of the published weights.

Source: Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware
Masking", Interspeech 2023; reference code and weights: 3D-Speaker (Alibaba, Apache-2.0),
speakerlab/models/campplus. Features as there: 80 Kaldi filter banks of 25 ms every 10 ms, dither 0, less
their mean over time.
"""

# torch is untyped here, so its base classes are Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torchaudio.compliance.kaldi as kaldi
from torch import Tensor, nn
from torch.nn import functional

from callveil.errors import ModelError

EMBEDDING_SIZE = 192
RATE_HZ = 16000
_N_MELS = 80
_GROWTH = 32
_BOTTLENECK = 128
_BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of each dense block."""
_MASK_SEGMENT = 100
"""Frames that share one local context in the context-aware mask."""


class _ResBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the stride is along frequency only."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class _Head(nn.Module):
    """Two-dimensional front end: frequency shrinks by eight, time stays."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_ResBlock(channels, 2), _ResBlock(channels, 1))
        self.layer2 = nn.Sequential(_ResBlock(channels, 2), _ResBlock(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.out_channels = channels * (_N_MELS // 8)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x.unsqueeze(1))))
        y = functional.relu(self.bn2(self.conv2(self.layer2(self.layer1(y)))))
        return y.flatten(1, 2)


def _norm_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU()))


class _Tdnn(nn.Module):
    """The first time-delay layer; it halves the frame rate."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_channels, out_channels, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _norm_relu(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.nonlinear(self.linear(x))
        return out


class _ContextAwareMask(nn.Module):
    """A local convolution, masked by what the whole stretch and its neighbourhood sound like."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(
            _BOTTLENECK, _GROWTH, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(_BOTTLENECK, _BOTTLENECK // 2, 1)
        self.linear2 = nn.Conv1d(_BOTTLENECK // 2, _GROWTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        local = functional.avg_pool1d(x, _MASK_SEGMENT, stride=_MASK_SEGMENT, ceil_mode=True)
        local = local.repeat_interleave(_MASK_SEGMENT, dim=-1)[..., : x.shape[-1]]
        context = x.mean(-1, keepdim=True) + local
        mask = torch.sigmoid(self.linear2(functional.relu(self.linear1(context))))
        out: Tensor = self.linear_local(x) * mask
        return out


class _DenseLayer(nn.Module):
    def __init__(self, in_channels: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _norm_relu(in_channels)
        self.linear1 = nn.Conv1d(in_channels, _BOTTLENECK, 1, bias=False)
        self.nonlinear2 = _norm_relu(_BOTTLENECK)
        self.cam_layer = _ContextAwareMask(dilation)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return out


class _DenseBlock(nn.Module):
    """Every layer sees the outputs of all layers before it."""

    def __init__(self, in_channels: int, n_layers: int, dilation: int) -> None:
        super().__init__()
        for i in range(n_layers):
            self.add_module(f"tdnnd{i + 1}", _DenseLayer(in_channels + i * _GROWTH, dilation))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class _Transit(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nonlinear = _norm_relu(channels)
        self.linear = nn.Conv1d(channels, channels // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.nonlinear(x))
        return out


class _Embedding(nn.Module):
    """From mean and deviation over time to the embedding."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_channels, EMBEDDING_SIZE, 1, bias=False)
        self.nonlinear = nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(EMBEDDING_SIZE, affine=False)))

    def forward(self, statistics: Tensor) -> Tensor:
        out: Tensor = self.nonlinear(self.linear(statistics.unsqueeze(-1)).squeeze(-1))
        return out


def filter_banks(waveform: Tensor) -> Tensor:
    """The features CAM++ was trained on, before their mean is taken away.

    Args:
        waveform: One channel at 16000 Hz, shape (n_samples,), at least 25 ms.

    Returns:
        Shape (n_frames, 80), one frame every 10 ms.
    """
    banks: Tensor = kaldi.fbank(
        waveform.unsqueeze(0), num_mel_bins=_N_MELS, sample_frequency=RATE_HZ, dither=0.0
    )
    return banks


class CamPlusPlus(nn.Module):
    """Filter banks in, one 192-dimensional embedding per stretch out."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _Head()
        layers: OrderedDict[str, nn.Module] = OrderedDict(tdnn=_Tdnn(self.head.out_channels, _BOTTLENECK))
        channels = _BOTTLENECK
        for i, (n_layers, dilation) in enumerate(_BLOCKS, start=1):
            layers[f"block{i}"] = _DenseBlock(channels, n_layers, dilation)
            channels += n_layers * _GROWTH
            layers[f"transit{i}"] = _Transit(channels)
            channels //= 2
        layers["out_nonlinear"] = _norm_relu(channels)
        layers["dense"] = _Embedding(2 * channels)
        self.xvector = nn.ModuleDict(layers)

    def forward(self, features: Tensor) -> Tensor:
        """Embed stretches of speech.

        Args:
            features: Shape (batch, n_frames, 80), less their mean over time, at least 4 frames.

        Returns:
            Shape (batch, 192), not normalised.
        """
        x: Tensor = self.head(features.transpose(1, 2))
        for name, layer in self.xvector.items():
            x = layer(torch.cat([x.mean(-1), x.std(-1)], dim=-1) if name == "dense" else x)
        return x


def load_campplus(path: Path) -> CamPlusPlus:
    """Load the published weights, ready for inference.

    Args:
        path: `campplus_cn_en_common.pt` of 3D-Speaker: a plain state dict.

    Raises:
        ModelError: The file is damaged, or its names or shapes are others.
    """
    network = CamPlusPlus()
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state, strict=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        raise ModelError(f"{path.name}: cannot be read as CAM++ weights") from error
    network.eval()
    return network
