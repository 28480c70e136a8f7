"""Where the files lie that ship with the package: model manifests and pipeline defaults."""

from importlib.resources import files
from pathlib import Path
from typing import Literal

from callveil.errors import ConfigError


def resource_folder(name: Literal["models", "pipelines"]) -> Path:
    """Folder of shipped TOML files.

    In a checkout `src/callveil/_data/models` is a link to `models/` at the root of the repository; in an
    installed wheel the same place holds real files.

    Args:
        name: "models" or "pipelines".

    Raises:
        ConfigError: The package is not installed as a folder of files, or the folder is missing.
    """
    folder = Path(str(files("callveil"))) / "_data" / name
    if not folder.is_dir():
        raise ConfigError(f"{folder}: the {name} that ship with callveil are missing; install it again")
    return folder
