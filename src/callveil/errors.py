"""One root error and a few families; `is_permanent` decides whether a retry makes sense.

Messages name the field, the kind of value and what is allowed. They never carry call text, secrets or
the value of an identifier.
"""

from typing import ClassVar


class CallveilError(Exception):
    """Root of all errors that Callveil raises on purpose.

    Attributes:
        is_permanent: True when trying the same thing again cannot help.
        code: Stable name of the family, as it stands in `--json` output and in the docs.
    """

    is_permanent: ClassVar[bool] = True
    code: ClassVar[str] = "error"


class ConfigError(CallveilError):
    """A profile, policy or rule file is wrong; nothing was started."""

    code = "config"


class MetadataError(CallveilError):
    """The metadata of a call is missing or wrong."""

    code = "metadata"


class AudioError(CallveilError):
    """A recording cannot be read, or breaks a limit."""

    code = "audio"


class ModelError(CallveilError):
    """Model files are missing, damaged or could not be fetched."""

    code = "model"


class EngineError(CallveilError):
    """A model failed on a call, or returned less than it was given."""

    code = "engine"


class StoreError(CallveilError):
    """An object store failed; the call stays unpublished."""

    is_permanent = False
    code = "store"


class NotFoundError(StoreError):
    """The object or call is not there (or not published)."""

    is_permanent = True
    code = "not_found"


class RefusedError(CallveilError):
    """A rule forbids it: a legal hold, a retention date, a replacement nobody asked for."""

    code = "refused"


class LedgerError(CallveilError):
    """The ledger's database failed; nothing was changed."""

    is_permanent = False
    code = "ledger"


class LeaseLostError(CallveilError):
    """Another worker has the call now, so this one's result does not count."""

    code = "lease_lost"


class LandingError(CallveilError):
    """Raw audio cannot be written or read now: the disk is full or fails, or the call is not finished."""

    is_permanent = False
    code = "landing"


class TamperedError(LandingError):
    """What lies encrypted is not what was written: changed, reordered, cut off or added to."""

    is_permanent = True
    code = "tampered"


class SignatureError(CallveilError):
    """A request is not signed, not signed by a key that is known here, or too old."""

    code = "signature"


class UnavailableError(CallveilError):
    """Another service that is needed, such as an identity provider, does not answer as it should."""

    is_permanent = False
    code = "unavailable"


class PrivilegeError(CallveilError):
    """The key is known, but is not good for this."""

    code = "privilege"


class ProtocolError(CallveilError):
    """The other side of a connection does not keep to its protocol.

    Attributes:
        close_code: WebSocket close code that fits, RFC 6455 section 7.4.1.
    """

    code = "protocol"

    def __init__(self, message: str, *, close_code: int = 1002) -> None:
        super().__init__(message)
        self.close_code = close_code
