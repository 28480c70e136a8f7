from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from callveil.engines.pyannote_import import prepare_torchaudio  # noqa: E402

prepare_torchaudio()

from callveil.engines.campplus import (  # noqa: E402
    EMBEDDING_SIZE,
    CamPlusPlus,
    filter_banks,
    load_campplus,
)
from callveil.errors import ModelError  # noqa: E402


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return CamPlusPlus().eval()


def test_one_embedding_per_stretch(network):
    with torch.inference_mode():
        embeddings = network(torch.randn(2, 130, 80))
    assert embeddings.shape == (2, EMBEDDING_SIZE)
    assert torch.isfinite(embeddings).all()


def test_a_batch_gives_what_single_stretches_give(network):
    features = torch.randn(2, 40, 80)
    with torch.inference_mode():
        together = network(features)
        alone = torch.cat([network(one.unsqueeze(0)) for one in features])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)


def test_size_is_that_of_the_published_network(network):
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    assert 6_500_000 < n_parameters < 7_500_000


def test_filter_banks_come_every_10_ms():
    assert filter_banks(torch.randn(16000)).shape == (98, 80)


def test_saved_weights_are_loaded(network, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(network.state_dict(), path)
    features = torch.randn(1, 50, 80)
    with torch.inference_mode():
        torch.testing.assert_close(load_campplus(path)(features), network(features))


@pytest.mark.parametrize("content", [{"other": 1}, {}], ids=["other names", "nothing"])
def test_other_weights_are_refused(content, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(ModelError, match=r"^weights\.pt: "):
        load_campplus(path)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"^weights\.pt: "):
        load_campplus(path)
