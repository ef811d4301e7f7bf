"""Signatures of volume maps: the last line of a map's text.

    # signed {key}.{mac}          the MAC has the salt `map` and covers the text before the line

A map is kept permanently, so a retired key still proves the maps that it signed.
"""

import hmac
import re

from permission_urls.errors import BadMac, NoPermission, UnknownKey
from permission_urls.key_source import KeySource
from permission_urls.keys import KEY_ID_PATTERN
from permission_urls.purposes import Purpose
from permission_urls.signing import MAC_PATTERN, PurposeSigner, keyed_mac

_SIGNED = re.compile(
    rf"(?P<text>.*\n)# signed (?P<key>{KEY_ID_PATTERN})\.(?P<mac>{MAC_PATTERN})\n", re.DOTALL
)


def sign_map(keys: KeySource, text: str) -> str:
    """Return the text of a map, which must end with a newline, with its signature.

    Raises:
        InvalidKeys: The keys of this purpose are missing.
    """
    key_id, mac = PurposeSigner(keys, Purpose.MAP).current()
    return f"{text}# signed {key_id}.{mac(text.encode())}\n"


def verify_map(keys: KeySource, signed: str) -> str:
    """Return the text of a signed map without its signature.

    Raises:
        Forbidden: No key of this cluster, retired or not, signed it.
        InvalidKeys: The keys of this purpose are missing.
    """
    match = _SIGNED.fullmatch(signed)
    if match is None:
        raise NoPermission
    key = keys.ring(Purpose.MAP).find(match["key"])
    if key is None:
        raise UnknownKey
    if not hmac.compare_digest(keyed_mac(key, Purpose.MAP)(match["text"].encode()), match["mac"]):
        raise BadMac
    return match["text"]
