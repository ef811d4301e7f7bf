// Elements, icons, and the words for numbers and times. No HTML is ever parsed from text.

const SVG = "http://www.w3.org/2000/svg";

// h("button", {class: "plain", onclick: save}, icon("copy"), "Copy") -> HTMLButtonElement
// Attributes that are null or false are left out; functions become properties.
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// A text whose parts in backticks are code.
export const prose = (text) => String(text).split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));

// Sets a custom property. Inline style attributes are forbidden by the policy of the pages.
export function vary(element, name, value) {
  element.style.setProperty(name, value);
  return element;
}

// One shape for each state, so that no state is known by its color alone.
const ICONS = {
  add: ["M10 4v12M4 10h12"],
  bars: ["M7 4.5v11M13 4.5v11"],
  chevron: ["M5.5 8l4.5 4.5L14.5 8"],
  clock: ["M10 2.5a7.5 7.5 0 1 0 .01 0", "M10 6v4.2l2.8 1.8"],
  copy: ["M7.5 7.5h9v9h-9z", "M4.5 12.5h-1v-9h9v1"],
  cross: ["M5 5l10 10M15 5L5 15"],
  arrows: ["M3 7h13l-3-3M17 13H4l3 3"],
  half: ["M10 2.5a7.5 7.5 0 1 0 .01 0"],
  octagon: ["M7 2.5h6L17.500 7v6L13 17.500H7L2.500 13V7z", "M7.500 7.500l5 5M12.500 7.500l-5 5"],
  play: ["M6.500 4.500l9 5.500-9 5.500z"],
  retry: ["M15.500 6.500A6.500 6.500 0 1 0 16.500 10", "M16.500 3v4h-4"],
  ring: ["M15 4.500A7.500 7.500 0 1 1 6.500 3.300"],
  snow: ["M10 2.500v15M3.500 6.200l13 7.600M3.500 13.800l13-7.600"],
  tick: ["M4 10.500l4 4 8-9"],
  triangle: ["M10 3L18 17H2z", "M10 8v4.500M10 14.500v.600"],
  upload: ["M10 13V3.500M6 7l4-4 4 4", "M3.500 12.500v4h13v-4"],
};

export function icon(name) {
  const paths = ICONS[name].map((d) => s("path", { d }));
  if (name === "half") paths.push(s("path", { d: "M10 2.500a7.500 7.500 0 0 1 0 15z", fill: "currentColor" }));
  return s("svg", { viewBox: "0 0 20 20", class: `icon ${name}`, "aria-hidden": "true" }, ...paths);
}

export function mark() {
  return s(
    "svg", { viewBox: "0 0 20 20", class: "icon mark", "aria-hidden": "true" },
    s("rect", { x: 6.8, y: 1.8, width: 11, height: 13.4, rx: 1.6, class: "glass" }),
    s("rect", { x: 2, y: 4.8, width: 11, height: 13.4, rx: 1.6 }),
  );
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const power = count < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${value < 10 && power ? value.toFixed(1) : Math.round(value)} ${UNITS[power]}`;
}

export function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

const two = (value) => String(value).padStart(2, "0");

// 14:02:51 of today; with the day for others.
export function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const at = new Date(seconds * 1000);
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date().toDateString() ? clock : `${day(seconds)}, ${clock}`;
}

export function day(seconds) {
  const at = new Date(seconds * 1000);
  const year = at.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return at.toLocaleDateString("en-GB", { day: "numeric", month: "long", year });
}

export function milliseconds(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const value = seconds * 1000;
  return value < 1000 ? `${value < 10 ? number(value, 1) : Math.round(value)} ms` : `${number(seconds, 1)} s`;
}

// The hour that a second is in, such as "13:00 to 14:00".
export function hourName(second) {
  const hour = (at) => `${String(new Date(at * 1000).getHours()).padStart(2, "0")}:00`;
  const isNow = Date.now() / 1000 < second + 3600;
  const name = isNow ? `Since ${hour(second)}` : `${hour(second)} to ${hour(second + 3600)}`;
  const isToday = new Date(second * 1000).toDateString() === new Date().toDateString();
  return isToday ? name : `${day(second)}, ${name.replace("Since ", "since ")}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return count(Math.round(seconds / 86400), "day");
}
