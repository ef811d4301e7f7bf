"""Permission URLs, API tokens, signed requests, jobs, and webhooks."""

from permission_urls.errors import (
    BadMac,
    BadTokenSignature,
    Expired,
    Forbidden,
    InvalidKeys,
    InvalidToken,
    KeyRingError,
    MalformedToken,
    MalformedUrl,
    NoPermission,
    PermissionUrlError,
    RetiredKey,
    TokenExpired,
    UnknownKey,
    UnknownSize,
    Unsignable,
    UnusableKeyFile,
    WrongScope,
)
from permission_urls.expiry import NO_EXPIRY, cache_control, round_up_expiry
from permission_urls.internal import DIGEST_IN_TRAILER, InternalSigner, InternalVerifier
from permission_urls.jobs import sign_job, verify_job
from permission_urls.key_file import load_keys, parse_keys, render_keys, save_keys
from permission_urls.keys import Key, KeyRing, KeyState, generate_key
from permission_urls.permission import (
    MALFORMED_REGEX,
    PERMISSION_URL_REGEX,
    TARGET_BYTES_MAX,
    Permission,
    PermittedPath,
    parse_permission_url,
    render_permission_url,
    strip_permission,
)
from permission_urls.read_signer import ReadSigner
from permission_urls.signing import Purpose, derived_key, derived_keys, mac
from permission_urls.tokens import Scope, Token, TokenVerifier, sign_token
from permission_urls.verifier import Verifier
from permission_urls.webhooks import sign_webhook, verify_webhook

__all__ = [
    "DIGEST_IN_TRAILER",
    "MALFORMED_REGEX",
    "NO_EXPIRY",
    "PERMISSION_URL_REGEX",
    "TARGET_BYTES_MAX",
    "BadMac",
    "BadTokenSignature",
    "Expired",
    "Forbidden",
    "InternalSigner",
    "InternalVerifier",
    "InvalidKeys",
    "InvalidToken",
    "Key",
    "KeyRing",
    "KeyRingError",
    "KeyState",
    "MalformedToken",
    "MalformedUrl",
    "NoPermission",
    "Permission",
    "PermissionUrlError",
    "PermittedPath",
    "Purpose",
    "ReadSigner",
    "RetiredKey",
    "Scope",
    "Token",
    "TokenExpired",
    "TokenVerifier",
    "UnknownKey",
    "UnknownSize",
    "Unsignable",
    "UnusableKeyFile",
    "Verifier",
    "WrongScope",
    "cache_control",
    "derived_key",
    "derived_keys",
    "generate_key",
    "load_keys",
    "mac",
    "parse_keys",
    "parse_permission_url",
    "render_keys",
    "render_permission_url",
    "round_up_expiry",
    "save_keys",
    "sign_job",
    "sign_token",
    "sign_webhook",
    "strip_permission",
    "verify_job",
    "verify_webhook",
]
