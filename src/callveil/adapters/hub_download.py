"""Download one file of the Hugging Face hub; run as a program so that it can be watched and stopped.

    python -m callveil.adapters.hub_download REPO REVISION FILE FOLDER

The file ends up at FOLDER/FILE. What an earlier, cut-off run left at FOLDER/FILE.part is continued by an
HTTP range; the library's own download begins anew in every process. On failure one line on standard error
says why.
"""

import os
import sys
from contextlib import suppress
from http.client import HTTPException
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

_TRIES = 5
_CHUNK = 1 << 20
_TIMEOUT_S = 60.0


def main(repo: str, revision: str, file: str, folder: str) -> int:
    """Download the file.

    Args:
        repo: Owner and name.
        revision: Full commit id.
        file: Path in the repository.
        folder: Where to put it.

    Returns:
        Exit code: 0, or 1 after one line on standard error.
    """
    # Before the import: it reads the setting once.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    hub: Any = import_module("huggingface_hub")
    failures = (OSError, ValueError, HTTPException, import_module("huggingface_hub.errors").HTTPError)
    try:
        url = hub.hf_hub_url(repo, file, revision=revision)
        _download(hub, url, Path(folder, file))
    except failures as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        sys.stderr.write(f"{type(error).__name__}: {reason}\n")
        return 1
    return 0


def _download(hub: Any, url: str, path: Path) -> None:
    """Fetch an address of the hub, going on from where a cut connection or an earlier run stopped."""
    metadata = hub.get_hf_file_metadata(url)
    if metadata.size is None:
        raise ValueError("the hub did not say how large the file is")
    # The token is for the hub alone, not for the storage it sends large files to.
    same_host = urlsplit(metadata.location).netloc == urlsplit(url).netloc
    headers = import_module("huggingface_hub.utils").build_hf_headers() if same_host else {}
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(_TRIES):
        if not _is_whole(part, metadata.size):
            _continue(metadata.location, part, headers.get("authorization"))
        if _is_whole(part, metadata.size):
            part.replace(path)
            return
    raise HTTPException(f"the connection was cut {_TRIES} times; try again to continue")


def _is_whole(part: Path, n_bytes: int) -> bool:
    return part.exists() and part.stat().st_size == n_bytes


def _continue(url: str, part: Path, token: str | None) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("the hub sent an address that is not HTTP")
    n_bytes = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={n_bytes}-"} if n_bytes else {})  # noqa: S310 - checked above
    if token:
        request.add_unredirected_header("Authorization", token)
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - checked above
            goes_on = response.status == 206
            with part.open("ab" if goes_on else "wb") as stream, suppress(ConnectionError, TimeoutError):
                while piece := response.read1(_CHUNK):
                    stream.write(piece)
    except HTTPError as error:
        # 416: what is there is not a beginning of this file.
        if error.code != 416:
            raise
        part.unlink()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
