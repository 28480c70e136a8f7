import io

import pytest
import soundfile

from callveil.stages.documents.certificate import AudioFacts
from callveil.stages.documents.flac_header import flac_header
from callveil.testing import noise


@pytest.mark.parametrize("rate_hz", [8000, 11025, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_header_of_a_real_file(rate_hz, channels):
    file = io.BytesIO()
    samples = noise(0.31, rate_hz=rate_hz, channels=channels).samples
    soundfile.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
    expected = AudioFacts(rate_hz=rate_hz, channels=channels, n_samples=len(samples))
    assert flac_header(file.getvalue()) == expected
    assert flac_header(file.getvalue()[:26]) == expected
    assert flac_header(file.getvalue()[:25]) is None


@pytest.mark.parametrize("content", [b"", b"fLaC", b"RIFF" + bytes(40), b"fLaC\x04" + bytes(40)])
def test_what_is_no_flac(content):
    assert flac_header(content) is None
