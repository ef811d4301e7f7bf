"""Keys of one application, which the cluster derives and never stores.

    application key = HMAC-SHA256(derived key, application)

An application signs tickets with its key, and checks its webhooks with another. Neither is valid
for another application or another purpose.
"""

import hmac

from permission_urls.key_source import KeySource
from permission_urls.purposes import Purpose
from permission_urls.signing import DerivedKey, derived_keys


def application_key(keys: KeySource, purpose: Purpose, application: str) -> DerivedKey:
    """Return the key of an application that signs at present."""
    key_id = keys.ring(purpose).signing_key.key_id
    return DerivedKey(key_id, application_keys(keys, purpose, application)[key_id])


def application_keys(keys: KeySource, purpose: Purpose, application: str) -> dict[str, bytes]:
    """Return all keys of an application that verify, by id."""
    return {
        key_id: hmac.digest(derived, application.encode(), "sha256")
        for key_id, derived in derived_keys(keys.ring(purpose), purpose).items()
    }
