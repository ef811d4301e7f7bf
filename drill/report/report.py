"""Report of a campaign: one HTML page, with a history and a verdict as JSON for each drill."""

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
    """Write the files of the last of `drills` below a folder, and the page of all.

    Call this after each drill, so that an interrupted campaign leaves a complete report.

    Raises:
        OSError: The folder cannot be written.
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
    """Return the HTML page."""
    return _ENVIRONMENT.get_template("report.html.j2").render(
        drills=drills,
        not_run=not_run,
        passed=sum(drill.passed for drill in drills),
        seed=drills[0].seed if drills else "none",
        seconds=seconds,
        # `render_timeline` escapes all text.
        pictures={d.scenario.name: Markup(render_timeline(d)) for d in drills},  # noqa: S704
    )


def document_of(drill: Drill) -> dict[str, Any]:
    """Return the result of a drill as JSON."""
    return {
        "scenario": drill.scenario.name,
        "description": drill.scenario.description,
        "seed": drill.seed,
        "passed": drill.passed,
        "seconds": round(drill.seconds, 1),
        "operations": len(drill.operations),
        "converged_seconds": drill.criteria.converged_seconds if drill.criteria else None,
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
