// Charts: a line over time as SVG, with a table of the same numbers behind it.

import { h, s, time } from "./dom.js";

const WIDTH = 242;
const HEIGHT = 96;
const GUTTER = 56;
const ROWS_MAX = 24;

// A round number at or above the greatest value and the least one, whose half is round as well.
export function roundUp(value, least = 2) {
  if (!(value > least)) return least;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 10].map((each) => each * power).find((each) => each >= value * (1 - 1e-9));
}

// Segments of neighbouring points with a value: a gap is a gap, never a line.
export function segmentsOf(points) {
  const segments = [];
  let open = null;
  for (const point of points) {
    if (point.value === null) open = null;
    else if (open) open.push(point);
    else segments.push((open = [point]));
  }
  return segments;
}

// name: of the series; points: [{at, value}], value null where unknown; show: words for a value;
// least: top of the scale for small values.
export function chart({ name, points, show, least, note = "" }) {
  const known = points.filter(({ value }) => value !== null);
  const latest = known.length && points[points.length - 1].value !== null ? show(known[known.length - 1].value) : "–";
  const top = roundUp(Math.max(0, ...known.map(({ value }) => value)), least);
  return h(
    "figure", { class: "chart" },
    h("figcaption", {}, h("span", { class: "name" }, name), h("span", { class: "value" }, latest), note && h("span", { class: "small" }, note)),
    known.length > 1 ? drawing(name, points, top, show) : h("p", { class: "nothing small" }, "Not enough measured yet."),
    numbers(name, known, show),
  );
}

function drawing(name, points, top, show) {
  const [first, last] = [points[0].at, points[points.length - 1].at];
  const x = (at) => ((at - first) / Math.max(1, last - first)) * WIDTH;
  const y = (value) => HEIGHT - 1 - (value / top) * (HEIGHT - 10);
  const line = (segment) => segment.map(({ at, value }, n) => `${n ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const segments = segmentsOf(points);
  const label = (value) => s("text", { x: WIDTH + 8, y: y(value) + 4 }, show(value));
  return s(
    "svg", { viewBox: `0 0 ${WIDTH + GUTTER} ${HEIGHT + 16}`, role: "img", "aria-label": `${name}, ${time(first)} to ${time(last)}` },
    [0, top / 2, top].map((value) => s("path", { class: "hair", d: `M0 ${y(value)}H${WIDTH}` })),
    segments.map((segment) => s("path", {
      class: "area", d: `${line(segment)}L${x(segment[segment.length - 1].at).toFixed(1)} ${HEIGHT - 1}L${x(segment[0].at).toFixed(1)} ${HEIGHT - 1}Z`,
    })),
    segments.map((segment) => s("path", { class: "line", d: line(segment) })),
    label(top), label(top / 2),
    s("text", { x: 0, y: HEIGHT + 13 }, clock(first)),
    s("text", { x: WIDTH, y: HEIGHT + 13, "text-anchor": "end" }, clock(last)),
  );
}

const clock = (seconds) => time(seconds).slice(-8, -3);

// At most ROWS_MAX of the points, evenly spread, the latest last.
function numbers(name, known, show) {
  const step = Math.max(1, Math.ceil(known.length / ROWS_MAX));
  const rows = known.filter((_, at) => (known.length - 1 - at) % step === 0);
  return h(
    "table", { class: "numbers" },
    h("caption", { class: "hidden" }, name),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), h("th", { scope: "col", class: "number" }, name))),
    h("tbody", {}, rows.map(({ at, value }) => h("tr", {}, h("td", {}, time(at)), h("td", { class: "number" }, show(value))))),
  );
}
