"""The report of drills: one page, and beside it histories and verdicts, for people and programs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from drill.history import render_operation
from drill.report.timeline import render_timeline
from drill.run import Drill

PAGE = "index.html"

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


def add_to_report(
    folder: Path, drills: Sequence[Drill], not_run: Mapping[str, str], *, seconds: float
) -> None:
    """Write everything about the last of some drills below a folder, and the page of all of them.

    Whoever ends a campaign has what was found out until then.

    Raises:
        OSError: It cannot be written.
    """
    for drill in drills[-1:]:
        own = folder / drill.scenario.name
        own.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{render_operation(each)}\n" for each in drill.operations)
        (own / "history.jsonl").write_text(lines)
        (own / "verdict.json").write_text(json.dumps(document_of(drill), indent=1) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(render_report(drills, not_run, seconds=seconds))


def render_report(drills: Sequence[Drill], not_run: Mapping[str, str], *, seconds: float) -> str:
    """The page."""
    return _ENVIRONMENT.get_template("report.html.j2").render(
        drills=drills,
        not_run=not_run,
        passed=sum(drill.passed for drill in drills),
        seed=drills[0].seed if drills else "none",
        seconds=seconds,
        # Every word in a picture is escaped where it is drawn.
        pictures={d.scenario.name: Markup(render_timeline(d)) for d in drills},  # noqa: S704
    )


def document_of(drill: Drill) -> dict[str, Any]:
    """What became of a drill, as JSON."""
    return {
        "scenario": drill.scenario.name,
        "description": drill.scenario.description,
        "seed": drill.seed,
        "passed": drill.passed,
        "seconds": round(drill.seconds, 1),
        "operations": len(drill.operations),
        "converged_seconds": drill.terms.converged_seconds if drill.terms else None,
        "evidence": [{"fired": proof.fired, "what": proof.what} for proof in drill.evidence.proofs],
        "rules": [
            {
                "rule": finding.rule,
                "promise": finding.promise,
                "checked": finding.checked,
                "violations": [str(each) for each in finding.violations],
            }
            for finding in (drill.verdict.findings if drill.verdict else ())
        ],
        "sets": drill.counts,
        "failure_reason": drill.failure_reason,
    }
