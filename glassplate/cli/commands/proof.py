"""`glassplate proof`: the signatures of the proofs of `rm --now`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.views.output import json_option, print_json
from glassplate.errors import UsageError


@click.command("proof")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def proof(connection: Connection, file: Path, *, as_json: bool) -> None:
    r"""Verify proofs that `rm --now` printed.

    FILE has the proofs, as `rm --now --json` printed them. Their signatures are verified with the
    keys of the config. Exit status 1 if a proof was changed, or if it says that a node or an edge
    was not reached.

    \b
    Example:
      glassplate rm --now --yes --json 3/01jd3x8m2c9qp4k7 > proofs.json
      glassplate proof proofs.json
    """
    from permission_urls import TombstoneProofs, load_keys
    from storagemaster.erasure_proof import is_genuine

    proofs = TombstoneProofs(load_keys(Path(connection.cluster().keys_file)))
    verdicts = [_verdict(proof, is_genuine=is_genuine(proof, proofs)) for proof in _proofs_in(file)]
    if as_json:
        print_json(verdicts)
    else:
        for verdict in verdicts:
            click.echo(f"{verdict['photo']}: {verdict['verdict']}")
    sys.exit(0 if all(each["verdict"] == "complete" for each in verdicts) else 1)


def _proofs_in(file: Path) -> list[Any]:
    try:
        found = json.loads(file.read_text())
        proofs = [each.get("proof", each) for each in found.get("deleted", [found])]
        return [{**proof, "signature": str(proof["signature"])} for proof in proofs]
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{file} has no proofs of `rm --now --json`: {error!r}") from error


def _verdict(proof: Mapping[str, Any], *, is_genuine: bool) -> dict[str, str]:
    verdict = "not signed by this cluster, or changed"
    if is_genuine:
        missing = [*proof["unreachable"], *proof["edges_pending"]]
        verdict = f"not reached: {', '.join(missing)}" if missing else "complete"
    return {"photo": str(proof.get("photo", "")), "verdict": verdict}
