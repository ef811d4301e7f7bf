"""The final state of a simulated cluster, judged by the rules of the drill.

The rules over reads, time, and traffic do not apply. `response_checks` has the stricter checks that
need the virtual instant of a response.
"""

import hashlib

from drill.checks.checker import check
from drill.checks.final_state import FinalState, ObservedResponse, StoredFile, info_digests
from drill.checks.verdict import Criteria
from storagenode.protocol.layout import HINTS, STAGING
from tests.simulation.ledger import version_of
from tests.simulation.race_checks import find_race_violations
from tests.simulation.world import World
from tests.storagenode.disk.crash_file_system import Contents
from volumes.photo_id import PhotoId
from volumes.photo_path import Info, InvalidPath, PhotoFile, Variant, parse_path, render_path

WORK = (f"{STAGING}/", f"{HINTS}/")
RULES = ("C1", "C4", "C5", "C6", "C7", "C8", "C9", "C11")
CRITERIA = Criteria(began_ns=0, healed_ns=0, converged_seconds=None, converge_seconds_max=0)


def find_violations(world: World) -> list[str]:
    """Return the violations of all rules that apply to the disks and caches."""
    verdict = check(world.ledger.operations, read_state(world), CRITERIA, RULES)
    return sorted([*map(str, verdict.violations), *find_race_violations(world)])


def read_state(world: World) -> FinalState:
    """Return the files on all disks, and what the caches of the edges hold."""
    files: dict[str, dict[str, StoredFile]] = {}
    infos: dict[str, dict[str, str]] = {}
    responses: dict[str, dict[str, ObservedResponse]] = {}
    leftovers = []
    # A revocation without a response may lack sizes until it is retried.
    acknowledged = {str(photo.photo_version) for photo in world.ledger.photos}
    acknowledged |= {str(version_of(each[0])) for each in world.ledger.races.values()}
    has_one_time = _photos_with_one_time(world)
    for node in world.nodes.values():
        contents = node.disk.contents()
        leftovers += [f"{node.name}:{path}" for path in contents if path.startswith(WORK)]
        files[node.name] = {}
        for file, each in _photo_files(contents).items():
            path, digest = render_path(file), hashlib.sha256(each.data).hexdigest()
            files[node.name][path] = StoredFile(digest, each.digest or "", len(each.data))
            if isinstance(file, Info) and str(file.photo_version) in acknowledged:
                infos.setdefault(str(file.photo_version), info_digests(file, each.data))
            if isinstance(file, Variant) and file.photo_version.photo in has_one_time:
                responses.setdefault(path, {})[node.name] = _response(each)
    deleted = [p for p in world.ledger.photos if world.ledger.acknowledged_removals(p)]
    for edge in world.edges.values():
        for path in edge.cache.keys() & {render_path(photo.original) for photo in deleted}:
            responses.setdefault(path, {})[edge.name] = ObservedResponse(status=200)
    return FinalState(
        mirrors={int(n): tuple(v.mirrors) for n, v in world.cluster.volumes.items()},
        files=files,
        infos=infos,
        responses=responses,
        leftovers=tuple(leftovers),
        nodes=frozenset(files),
    )


def _photos_with_one_time(world: World) -> set[PhotoId]:
    """Return the photos that have one modification time: sent once, or stored by every mirror.

    A mirror that missed the acknowledged attempt of an upload can have the time of another one.
    """
    complete = {
        photo.photo_version.photo
        for photo in world.ledger.photos
        if photo.mirrors.issuperset(world.cluster.volumes[photo.photo_version.volume].mirrors)
    }
    return world.ledger.sent_once | complete


def _photo_files(contents: dict[str, Contents]) -> dict[PhotoFile, Contents]:
    found = {}
    for path, each in contents.items():
        try:
            found[parse_path(path)] = each
        except InvalidPath:
            continue
    return found


def _response(contents: Contents) -> ObservedResponse:
    return ObservedResponse(
        status=200, bytes=len(contents.data), last_modified=str(contents.mtime_seconds)
    )
