"""A drill that never ran: two photos on two mirrors, one of them deleted, and all as promised.

Each test of the checker spoils one thing of it.
"""

import dataclasses
import hashlib

from drill.checks.final_state import FinalState, HeldFile, ObservedResponse
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
TERMS = Criteria(
    began_ns=10 * SECOND,
    healed_ns=20 * SECOND,
    converged_seconds=5,
    converge_seconds_max=60,
    unaffected_edges=frozenset(EDGES),
)


def digest_of(words):
    """The digest of the bytes that these words stand for."""
    return hashlib.sha256(words.encode()).hexdigest()


def at(second, op, outcome=Outcome.OK, **said):
    """An operation that took half a second."""
    begun = int(second * SECOND)
    return Operation(
        op=op, outcome=outcome, invoke_ns=begun, complete_ns=begun + SECOND // 2, **said
    )


def put(second, reference, path, words, **said):
    """An upload that was acknowledged."""
    said = {"photo": reference, "path": path, "digest": digest_of(words), "status": 201, **said}
    return at(second, Op.PUT, **{"key": words, **said})


def get(second, path, words, *, edge="east-nginx", status=200, **said):
    """A read with a whole body."""
    return at(second, Op.GET, path=path, digest=digest_of(words), edge=edge, status=status, **said)


def history():
    """A history in which everything is as promised."""
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


def held(words, noted=None):
    """A file of these words."""
    return HeldFile(digest_of(words), digest_of(words) if noted is None else noted, len(words))


def state():
    """A final state in which everything is as promised."""
    files = {
        CAT_PATH: held("cat"),
        CAT_SMALL: held("small cat"),
        CAT_INFO: held("info"),
        HEN_GONE: held("gone"),
    }
    answer = ObservedResponse(
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
        answers={
            CAT_PATH: dict.fromkeys((*MIRRORS, *EDGES), answer),
            HEN_PATH: dict.fromkeys((*MIRRORS, *EDGES), ObservedResponse(status=410)),
        },
    )


def changed(node, path, file):
    """The final state with one file of one node replaced, or with None taken away."""
    found = state()
    files = {name: dict(held) for name, held in found.files.items()}
    files[node].pop(path, None)
    if file is not None:
        files[node][path] = file
    return dataclasses.replace(found, files=files)


def answered(path, server, **said):
    """The final state with another answer of one server."""
    found = state()
    answers = {name: dict(given) for name, given in found.answers.items()}
    answers[path][server] = dataclasses.replace(answers[path][server], **said)
    return dataclasses.replace(found, answers=answers)
