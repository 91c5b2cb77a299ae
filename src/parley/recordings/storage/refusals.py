"""What an object store's refusal means: the words for the customer, and whether to try again.

Answers of the stores are looked at for their code alone: they repeat keys and signatures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from parley.outgoing.http import NOT_PUBLIC
from parley.outgoing.ports import AddressRefused, OutgoingError
from parley.recordings.storage.errors import Hopeless, RetryLater, StorageError


@dataclass(frozen=True, slots=True)
class Place:
    """How a bucket is named in messages."""

    service: str
    bucket: str
    container: str = "bucket"
    """The service's word for it."""

    def __str__(self) -> str:
        return f"the {self.container} “{self.bucket}” of {self.service}"


_KEYS = frozenset(
    {
        "AuthenticationFailed",
        "AuthenticationRequired",
        "AuthorizationFailure",  # what Azurite says of a wrong signature
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidAuthenticationInfo",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidToken",
        "NotSignedUp",
        "SignatureDoesNotMatch",
        "Unauthorized",
    }
)
_MISSING = frozenset(
    {"NoSuchBucket", "ContainerNotFound", "InvalidBucketName", "ContainerBeingDeleted", "ResourceNotFound"}
)
_REGION = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "InvalidRegion",
        "PermanentRedirect",
        "TemporaryRedirect",
    }
)
_FULL = frozenset(
    {
        "AccountQuotaExceeded",
        "InsufficientStorage",
        "QuotaExceeded",
        "StorageQuotaExceeded",
        "XMinioAdminBucketQuotaExceeded",
        "XMinioStorageFull",
    }
)
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>\s*([A-Za-z0-9._]{1,60})\s*</Code>")


def refusal(failure: Exception, place: Place, gate: OutgoingError | AddressRefused | None) -> StorageError:
    """The failure of a request to an object store in our words.

    Args:
        failure: raised by obstore.
        place: what the request was about.
        gate: why the newest connection could not be made, if so.
    """
    if isinstance(gate, AddressRefused):
        return Hopeless(f"The address of {place} is not allowed. {NOT_PUBLIC}")
    if gate is not None:
        return _unreachable(place, gate.message)
    text = str(failure)
    answer, _, debug = text.partition("Debug source")
    code = found[1] if (found := _CODE.search(answer)) else ""
    status = int(found[1]) if (found := _STATUS.search(answer)) else 0
    if not status and not code:
        return _without_answer(failure, place, answer, debug)
    detail = f"{status} {code}".strip()
    return _by_code(code, place, detail) or _by_status(status, place, detail)


def _by_code(code: str, place: Place, detail: str) -> StorageError | None:
    if code in _KEYS:
        return Hopeless(f"{place.service} does not accept the keys for {place}.", detail=detail)
    if code in _MISSING:
        return Hopeless(f"There is no {place.container} “{place.bucket}” at {place.service}.", detail=detail)
    if code in _REGION:
        return Hopeless(f"{_sentence(place)} is in another region than the one given.", detail=detail)
    if code in _FULL:
        return RetryLater(f"{_sentence(place)} is full or over its quota.", detail=detail)
    if code == "RequestTimeTooSkewed":
        return RetryLater(f"{place.service} refuses this server's clock.", detail=detail)
    if code in ("NoSuchUpload", "InvalidPart", "InvalidBlockList", "InvalidBlockId", "BadDigest"):
        return RetryLater(f"The upload to {place} broke off.", detail=detail)
    return None


def _by_status(status: int, place: Place, detail: str) -> StorageError:
    if status in (401, 403):
        return Hopeless(f"The keys do not allow reading and writing in {place}.", detail=detail)
    if status == 404:
        return RetryLater(f"{_sentence(place)} lost the file while it was uploaded.", detail=detail)
    if status == 507:
        return RetryLater(f"{_sentence(place)} is full or over its quota.", detail=detail)
    if status >= 500 or status in (408, 409, 412, 429):
        return RetryLater(f"{place.service} cannot take the file now.", detail=detail)
    return Hopeless(f"{place.service} refuses the upload to {place} ({detail}).", detail=detail)


def _without_answer(failure: Exception, place: Place, answer: str, debug: str) -> StorageError:
    if isinstance(failure, FileNotFoundError):
        return RetryLater(f"{_sentence(place)} lost the file while it was uploaded.")
    if "redirect without LOCATION" in answer:
        return Hopeless(f"{_sentence(place)} is in another region than the one given.")
    if "dns error" in debug:
        return _unreachable(place, "unknown name")
    if "ertificate" in debug:
        return _unreachable(place, "its certificate is not trusted")
    if "HTTP error" in answer or "Http(" in debug or "Reqwest" in debug:
        return _unreachable(place, "the connection failed or broke off")
    return Hopeless(f"The configuration of {place} cannot be used.", detail=type(failure).__name__)


def _unreachable(place: Place, why: str) -> RetryLater:
    return RetryLater(f"{_sentence(place)} cannot be reached: {why}.", detail=why)


def _sentence(place: Place) -> str:
    return str(place)[0].upper() + str(place)[1:]
