// The charts of the page Cluster: what users notice first, then the work that is left.

import { chart } from "./chart.js";
import { bytes, h, milliseconds, number } from "./dom.js";

const perSecond = (value) => `${number(value, value < 10 ? 1 : 0)}/s`;

// [name, series of GET /console/samples, words for a value, smallest top of the scale]
const SERIES = [
  ["Reads at edges", "reads_per_second", perSecond],
  ["Reads, 99 % within", "read_p99_seconds", milliseconds, 0.01],
  ["Uploads, 99 % within", "upload_p99_seconds", milliseconds, 0.01],
  ["Slowest fsyncs, 99 % within", "fsync_p99_seconds", milliseconds, 0.01],
  ["Files to deliver", "pending_hints", number],
  ["Left to repair", "repair_bytes_left", bytes, 1000],
  ["Waiting jobs", "queued_jobs", number],
  ["Workers", "workers_alive", number],
];

export function chartsOf(samples) {
  return SERIES.map(([name, series, show, least]) => chart({
    name, show, least,
    points: samples.at_seconds.map((at, n) => ({ at, value: samples.series[series]?.[n] ?? null })),
  }));
}

// A button that shows the numbers of all charts as tables.
export function tablesToggle(charts) {
  const button = h("button", { class: "link", "aria-pressed": "false" }, "as tables");
  button.onclick = () => {
    const isOn = charts.classList.toggle("as-tables");
    button.setAttribute("aria-pressed", String(isOn));
    button.textContent = isOn ? "as charts" : "as tables";
  };
  return button;
}
