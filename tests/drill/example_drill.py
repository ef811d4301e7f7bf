"""An invented run without any violation: two photos on two mirrors, one of them deleted.

Each test of the checker changes one thing of it.
"""

import dataclasses
import hashlib

from drill.checks.final_state import FinalState, ObservedResponse, StoredFile
from drill.checks.verdict import Criteria
from drill.history import SECOND, Op, Operation, Outcome

CAT = "1/000000000000cats/111111"
HEN = "1/000000000000hens/222222"
CAT_PATH = "1/ts/000000000000cats_111111_o.jpg"
CAT_SMALL = "1/ts/000000000000cats_111111_m.jpg"
CAT_INFO = "1/ts/000000000000cats_111111.json"
HEN_PATH = "1/ns/000000000000hens_222222_o.jpg"
HEN_GONE = "1/ns/000000000000hens.gone"
MIRRORS = ("east-1", "west-1")
EDGES = ("east-nginx", "varnish")
CRITERIA = Criteria(
    began_ns=10 * SECOND,
    healed_ns=20 * SECOND,
    converged_seconds=5,
    converge_seconds_max=60,
    unaffected_edges=frozenset(EDGES),
)


def digest_of(words):
    """Return the digest of these words."""
    return hashlib.sha256(words.encode()).hexdigest()


def at(second, op, outcome=Outcome.OK, **fields):
    """Return an operation of half a second."""
    begun = int(second * SECOND)
    return Operation(
        op=op, outcome=outcome, invoke_ns=begun, complete_ns=begun + SECOND // 2, **fields
    )


def put(second, reference, path, words, **fields):
    """Return an acknowledged upload."""
    fields = {"photo": reference, "path": path, "digest": digest_of(words), "status": 201, **fields}
    return at(second, Op.PUT, **{"key": words, **fields})


def get(second, path, words, *, edge="east-nginx", status=200, **fields):
    """Return a read with a complete body."""
    return at(
        second, Op.GET, path=path, digest=digest_of(words), edge=edge, status=status, **fields
    )


def history():
    """Return a history without any violation."""
    hen = HEN.rpartition("/")[0]
    return [
        put(1, CAT, CAT_PATH, "cat"),
        put(2, HEN, HEN_PATH, "hen"),
        at(3, Op.SIZES, photo=CAT, path=CAT_SMALL, digest=digest_of("small cat")),
        get(4, CAT_PATH, "cat"),
        get(12, CAT_PATH, "cat", edge="varnish"),
        get(13, CAT_SMALL, "small cat"),
        get(13, HEN_PATH, "hen"),
        at(14, Op.DELETE, photo=hen, status=200),
        at(15, Op.GET, Outcome.FAIL, path=CAT_PATH, edge="varnish", status=403, permitted=False),
        at(17, Op.GET, Outcome.FAIL, path=HEN_PATH, edge="east-nginx", status=410),
    ]


def stored(words, recorded=None):
    """Return a file of these words."""
    return StoredFile(
        digest_of(words), digest_of(words) if recorded is None else recorded, len(words)
    )


def state():
    """Return a final state without any violation."""
    files = {
        CAT_PATH: stored("cat"),
        CAT_SMALL: stored("small cat"),
        CAT_INFO: stored("info"),
        HEN_GONE: stored("gone"),
    }
    response = ObservedResponse(
        status=200,
        digest=digest_of("cat"),
        bytes=3,
        etag='"1-3"',
        last_modified="Thu, 01 Jan 1970 00:00:01 GMT",
        content_type="image/jpeg",
    )
    return FinalState(
        mirrors={1: MIRRORS},
        files={**{node: dict(files) for node in MIRRORS}, "east-2": {}},
        infos={CAT: {CAT_PATH: digest_of("cat"), CAT_SMALL: digest_of("small cat")}},
        responses={
            CAT_PATH: dict.fromkeys((*MIRRORS, *EDGES), response),
            HEN_PATH: dict.fromkeys((*MIRRORS, *EDGES), ObservedResponse(status=410)),
        },
    )


def with_file(node, path, file):
    """Return the final state with one file of one node replaced, or removed for None."""
    found = state()
    files = {name: dict(held) for name, held in found.files.items()}
    files[node].pop(path, None)
    if file is not None:
        files[node][path] = file
    return dataclasses.replace(found, files=files)


def with_response(path, server, **fields):
    """Return the final state with a changed response of one server."""
    found = state()
    responses = {name: dict(given) for name, given in found.responses.items()}
    responses[path][server] = dataclasses.replace(responses[path][server], **fields)
    return dataclasses.replace(found, responses=responses)
