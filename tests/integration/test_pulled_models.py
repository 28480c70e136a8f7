import os

import pytest

from callveil.adapters.models import ModelFolder, ModelState, models_folder
from callveil.errors import ModelError


@pytest.mark.models
def test_the_pulled_models_are_right_to_the_byte():
    if "CALLVEIL_MODELS_DIR" not in os.environ:
        pytest.skip("CALLVEIL_MODELS_DIR is not set")
    models = ModelFolder(models_folder(os.environ))
    for name, manifest in models.manifests.items():
        assert {check.path: check.state for check in models.verify(name)} == {
            file.path: ModelState.PULLED for file in manifest.files
        }
        assert models.folder(name).is_dir()
        assert models.sha256_of(name) == {file.path: file.sha256 for file in manifest.files}
    with pytest.raises(ModelError):
        models.folder("whisper-huge")
