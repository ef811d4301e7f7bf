"""A Landlock ruleset that denies all access to the file system.

Landlock (Linux 5.13 and later) restricts a process by path, with no privilege needed. The ruleset
handles every kind of access that the kernel knows and grants none, so that a process under it can
open, create, rename, link, truncate, or remove nothing. Metadata (chmod, setxattr, utime) is not
covered: the system-call filter refuses it. Numbers and structures: landlock(7).
"""

import ctypes
import os

_CREATE_RULESET = 444
_RESTRICT_SELF = 446
_CREATE_RULESET_VERSION = 1
_PR_SET_NO_NEW_PRIVS = 38

# Kinds of access to the file system that each ABI version handles, as a mask.
_ACCESS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}

_LIBC = ctypes.CDLL(None, use_errno=True)


class _RulesetAttributes(ctypes.Structure):
    """`struct landlock_ruleset_attr`, as of ABI 1."""

    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


def handled_access(abi: int) -> int:
    """Return the mask of file system accesses that a kernel of this ABI version can deny.

    >>> handled_access(0), handled_access(1) < handled_access(4) < handled_access(9)
    (0, True)
    """
    return max((mask for known, mask in _ACCESS_OF_ABI.items() if known <= abi), default=0)


def deny_file_system() -> bool:
    """Deny this process all access by path, permanently.

    Returns:
        True if the kernel enforces it; False where the kernel has no Landlock.
    """
    abi = _LIBC.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    if abi < 1:
        return False
    attributes = _RulesetAttributes(handled_access(abi))
    ruleset = _LIBC.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    if ruleset < 0:
        return False
    try:
        has_no_new_privileges = _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        return has_no_new_privileges and bool(_LIBC.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
