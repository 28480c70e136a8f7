"""Ask an identity provider over HTTPS: bounded in time and size, no redirects, its words in no error."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from callveil.adapters.webhook import check_url
from callveil.errors import ConfigError, UnavailableError

_STEP_S, _WHOLE_S = 5.0, 10.0
_MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class WireAnswer:
    """What came back, in the form that Authlib asks for.

    Attributes:
        status_code: Of HTTP.
        content: The body.
    """

    status_code: int
    content: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is none.
        """
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("not JSON") from None

    def raise_for_status(self) -> None:
        """Refuse what is no success.

        Raises:
            UnavailableError: It is none.
        """
        if not 200 <= self.status_code < 300:
            raise UnavailableError(f"identity provider: answers HTTP {self.status_code}")


class Wire:
    """A session as Authlib's client wants it, of the few things that are needed."""

    def post(self, url: str, *, data: dict[str, str], headers: dict[str, str], auth: Any) -> WireAnswer:
        """Send a form.

        Args:
            url: Where to.
            data: Fields.
            headers: Of the request.
            auth: Puts client id and secret into it; Authlib's.

        Raises:
            UnavailableError: There is no answer.
        """
        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self._ask("POST", url, headers, body)

    def get_json(self, url: str) -> dict[str, Any]:
        """Fetch a JSON object.

        Raises:
            UnavailableError: There is no answer, or it is none.
        """
        answer = self._ask("GET", url, {"Accept": "application/json"}, None)
        answer.raise_for_status()
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise UnavailableError("identity provider: answers what is no JSON object")
        return content

    def _ask(self, method: str, url: str, headers: dict[str, str], body: str | None) -> WireAnswer:
        check_address(url)
        found: list[WireAnswer | str] = []
        # The library's timeouts start anew with every byte: who answers drop by drop never reaches them.
        thread = threading.Thread(target=lambda: found.append(_send(method, url, headers, body)), daemon=True)
        thread.start()
        thread.join(_WHOLE_S)
        answer = found[0] if found else "took too long"
        if isinstance(answer, str):
            raise UnavailableError(f"identity provider: cannot be asked: {answer}")
        return answer


def check_address(url: object) -> str:
    """An address that may be asked: https, or http on a loopback address.

    Raises:
        UnavailableError: It is none.
    """
    try:
        check_url(str(url), "identity provider")
    except ConfigError as error:
        raise UnavailableError(str(error)) from None
    return str(url)


def _send(method: str, url: str, headers: dict[str, str], body: str | None) -> WireAnswer | str:
    deadline = time.monotonic() + _WHOLE_S
    try:
        with urllib3.PoolManager(num_pools=1) as pool:
            response = pool.request(
                method,
                url,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=_STEP_S, read=_STEP_S),
            )
            try:
                content = b""
                while block := response.read(4096):
                    content += block
                    if len(content) > _MOST_BYTES or time.monotonic() > deadline:
                        return "says too much, or too slowly"
                return WireAnswer(status_code=response.status, content=content)
            finally:
                response.close()
    except Exception as error:  # noqa: BLE001  its words may quote the other side
        return type(error).__name__
