"""The state of a resumable upload on the wire, with the receipt of a stored photo."""

from dataclasses import dataclass
from typing import Any, Literal

from storagemaster.wire import Receipt, parse_receipt, render_receipt

PREFER_HEADER = "Prefer"
PREFER_STATE = "return=representation"
"""Request of the state in a response that has no body otherwise (RFC 7240)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadState:
    """The state of a resumable upload."""

    state: Literal["partial", "stored"]
    reference: str
    """VOLUME/PHOTO/VERSION of the photo, stored or not."""
    offset: int
    """The byte at which the upload continues."""
    bytes: int
    receipt: Receipt | None = None
    """The receipt of a stored photo, as `POST /photos` returns it."""


def render_upload_state(state: UploadState) -> dict[str, Any]:
    """Return the state of an upload as JSON."""
    return {
        "state": state.state,
        "reference": state.reference,
        "offset": state.offset,
        "bytes": state.bytes,
        "receipt": None if state.receipt is None else render_receipt(state.receipt),
    }


def parse_upload_state(fields: dict[str, Any]) -> UploadState:
    """Parse what `render_upload_state` returns."""
    receipt = fields["receipt"]
    return UploadState(**{**fields, "receipt": receipt and parse_receipt(receipt)})
