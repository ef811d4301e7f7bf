"""The Grafana dashboard as code: a table of panels, written as JSON.

python deploy/observability/make_dashboard.py > deploy/observability/glassplate.json
"""

import json
import sys
from dataclasses import dataclass
from typing import Any

COLUMNS = 24
PANEL_WIDTH, PANEL_HEIGHT = 8, 7
SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart: its title, expression, unit of Grafana, legend, and threshold."""

    title: str
    expr: str
    unit: str = "short"
    legend: str = "{{instance}}"
    threshold: float | None = None


def quantile(share: float, metric: str, by: str = "", labels: str = "") -> str:
    """Return the expression of a quantile over five minutes."""
    names = ", ".join(filter(None, [by, "le"]))
    return f"histogram_quantile({share}, sum by ({names}) (rate({metric}_bucket{labels}[5m])))"


_HTTP = "glassplate_http_requests_total"
_DURATION = "glassplate_http_request_duration_seconds"
_EDGE = "glassplate_edge_requests_total"

ROWS: dict[str, list[Panel]] = {
    "Viewers": [
        Panel("Reads at edges", f"sum by (cache) (rate({_EDGE}[5m]))", "reqps", "{{cache}}"),
        Panel(
            "Cache hits at edges",
            f'sum(rate({_EDGE}{{cache="hit"}}[5m])) / sum(rate({_EDGE}{{cache!="none"}}[5m]))',
            "percentunit",
            "hits",
        ),
        Panel(
            "Failed reads",
            f'sum(rate({_EDGE}{{code=~"5.."}}[5m])) / sum(rate({_EDGE}[5m]))',
            "percentunit",
            "failed",
            0.001,
        ),
        Panel(
            "Time of reads, 99 %",
            quantile(0.99, "glassplate_edge_request_duration_seconds", "cache"),
            "s",
            "{{cache}}",
        ),
        Panel(
            "Bytes to viewers",
            "sum by (instance) (rate(glassplate_edge_sent_bytes_total[5m]))",
            "Bps",
        ),
        Panel("Connections", "sum by (instance, port) (glassplate_connections)", legend="{{port}}"),
    ],
    "Applications": [
        Panel(
            "Requests",
            f'sum by (route) (rate({_HTTP}{{port="api"}}[5m]))',
            "reqps",
            "{{route}}",
        ),
        Panel(
            "Failed requests",
            f'sum by (route, code) (rate({_HTTP}{{port="api",code=~"5.."}}[5m]))',
            "reqps",
            "{{route}} {{code}}",
        ),
        Panel(
            "Time of uploads, 99 %",
            quantile(0.99, _DURATION, labels='{port="api",route="/photos",method="POST"}'),
            "s",
            "uploads",
            2,
        ),
        Panel(
            "Bytes uploaded",
            'sum(rate(glassplate_http_received_bytes_total{port="api"}[5m]))',
            "Bps",
            "received",
        ),
        Panel("In progress", "glassplate_http_requests_in_progress", legend="{{port}}"),
        Panel(
            "Webhooks",
            "sum by (outcome) (rate(glassplate_webhooks_total[5m]))",
            "reqps",
            "{{outcome}}",
        ),
    ],
    "Durability": [
        Panel("Nodes up", "max by (node) (glassplate_node_up)", legend="{{node}}"),
        Panel(
            "Age of hints",
            "max by (node) (glassplate_oldest_hint_age_seconds)",
            "s",
            "{{node}}",
            900,
        ),
        Panel("Files without a copy", "max(glassplate_under_mirrored_files)", legend="files"),
        Panel("Repair left", "max(glassplate_repair_bytes_left)", "bytes", "bytes"),
        Panel("Failed steps", "max(glassplate_repair_failed_steps)", legend="steps", threshold=1),
        Panel(
            "Oldest unverified file",
            "glassplate_oldest_unverified_seconds",
            "s",
            threshold=30 * 86400,
        ),
    ],
    "Disks": [
        Panel(
            "Space used",
            "1 - glassplate_node_free_bytes / glassplate_node_total_bytes",
            "percentunit",
            "{{node}}",
            0.9,
        ),
        Panel(
            "Time of fsyncs, 99 %",
            quantile(0.99, "glassplate_disk_fsync_duration_seconds", "instance, kind"),
            "s",
            "{{instance}} {{kind}}",
            0.25,
        ),
        Panel(
            "Disk errors",
            "sum by (instance, errno) (increase(glassplate_disk_errors_total[1h]))",
            legend="{{instance}} {{errno}}",
        ),
        Panel("Resumable uploads", "glassplate_partials"),
        Panel(
            "Reads of nodes",
            f'sum by (instance) (rate({_HTTP}{{port="read"}}[5m]))',
            "reqps",
        ),
        Panel("Corrupt files", "glassplate_scrub_corrupt_files", threshold=1),
    ],
    "Sizes": [
        Panel("Waiting jobs", "max by (queue) (glassplate_jobs_waiting)", legend="{{queue}}"),
        Panel("Oldest job", "max(glassplate_oldest_job_age_seconds)", "s", "age", 300),
        Panel("Workers", "max(glassplate_workers_alive)", legend="workers"),
        Panel(
            "Jobs",
            "sum by (outcome) (rate(glassplate_jobs_total[5m]))",
            "ops",
            "{{outcome}}",
        ),
        Panel(
            "Time of a photo, 95 %",
            quantile(0.95, "glassplate_photo_processing_seconds", "queue"),
            "s",
            "{{queue}}",
        ),
        Panel("Photos", "sum by (state) (rate(glassplate_photos_total[5m]))", "ops", "{{state}}"),
    ],
    "Trust": [
        Panel(
            "Refused requests",
            f'sum by (code) (rate({_HTTP}{{port="api",code=~"401|403|429"}}[5m]))',
            "reqps",
            "{{code}}",
        ),
        Panel(
            "Audit entries in one colo",
            "sum by (instance) (glassplate_audit_unmirrored_entries)",
            threshold=1,
        ),
        Panel(
            "Age of keys",
            "max by (purpose) (glassplate_key_age_seconds)",
            "s",
            "{{purpose}}",
            400 * 86400,
        ),
    ],
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row, charts in ROWS.items():
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        panels.append({"type": "row", "title": row, "gridPos": place, "panels": []})
        top += 1
        for position, chart in enumerate(charts):
            down, across = divmod(position, COLUMNS // PANEL_WIDTH)
            panels.append(_chart(chart, x=across * PANEL_WIDTH, y=top + down * PANEL_HEIGHT))
        top += -(-len(charts) // (COLUMNS // PANEL_WIDTH)) * PANEL_HEIGHT
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    variable = {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": "glassplate",
        "title": "Glassplate",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [variable]},
        "panels": panels,
    }


def _chart(panel: Panel, *, x: int, y: int) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.threshold is not None:
        steps.append({"color": "red", "value": panel.threshold})
    defaults = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": {"thresholdsStyle": {"mode": "line" if len(steps) > 1 else "off"}},
    }
    target = {"refId": "A", "expr": panel.expr, "legendFormat": panel.legend, "datasource": SOURCE}
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"h": PANEL_HEIGHT, "w": PANEL_WIDTH, "x": x, "y": y},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [target],
    }


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=1)
    sys.stdout.write("\n")
