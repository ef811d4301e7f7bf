// Parts that several pages have: headings, badges, notices, and the states of a page.

import { h, icon, prose, time } from "./dom.js";

const LOADING_MILLISECONDS = 200;

// The head of a page: title, a line below it, and buttons at the right.
export function heading(title, line, ...buttons) {
  return h(
    "header", { class: "head" },
    h("div", {}, h("h1", {}, title), line && h("p", { class: "line" }, line)),
    buttons.length ? h("div", { class: "buttons" }, buttons) : null,
  );
}

const STATES = {
  up: ["tick", ""], ready: ["tick", ""], equal: ["tick", ""], done: ["tick", ""],
  down: ["octagon", "bad"], failed: ["octagon", "bad"], corrupt: ["octagon", "bad"], gone: ["cross", ""],
  filling: ["triangle", "warn"], unknown: ["triangle", "warn"], fenced: ["triangle", "warn"],
  behind: ["half", "warn"], hint: ["half", "warn"], moving: ["arrows", "busy"], offloaded: ["snow", ""],
  busy: ["ring", "busy"], pending: ["ring", "busy"], waiting: ["clock", ""], paused: ["bars", ""],
};

// An icon and a word, always both. `state` selects the shape and the color.
export function badge(state, text = state) {
  const [shape, kind] = STATES[state];
  return h("span", { class: `badge ${kind}` }, icon(shape), h("span", {}, text));
}

// kind: "bad" for alerts, "warn" for banners. `strong` is what happened, `text` the rest.
export function notice(kind, strong, text, button = null) {
  return h(
    "div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" },
    icon(kind === "bad" ? "octagon" : "triangle"),
    h("p", {}, h("strong", {}, prose(strong)), " ", prose(text)),
    button,
  );
}

export function problemNotice(problem, retry) {
  const facts = [problem.status ? `status ${problem.status}` : null, time(problem.at),
    problem.requestId ? `request ${problem.requestId}` : null];
  return h(
    "section", { class: "failure", role: "alert" },
    h("h2", {}, icon("octagon"), problem.title ?? "The page could not be shown"),
    h("p", {}, problem.detail || problem.message),
    h("p", { class: "small mono" }, facts.filter(Boolean).join(" · ")),
    retry && h("button", { class: "plain", onclick: retry }, icon("retry"), "Try again"),
  );
}

export function notAllowed(title, scope) {
  return [
    heading(title),
    h(
      "section", { class: "failure" },
      h("h2", {}, icon("cross"), "Your token does not open this page"),
      h("p", {}, "It needs the scope ", h("code", {}, scope), ". Sign in with a token that has it:"),
      h("p", {}, h("code", {}, `glassplate token create --scope ${scope}`)),
    ),
  ];
}

// Shows frames in place of rows while a promise is pending, but not for what comes at once.
export async function whileLoading(place, promise, frames) {
  const timer = setTimeout(() => place.replaceChildren(...[frames()].flat()), LOADING_MILLISECONDS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

// Loads what a whole page is about: its title and frames are shown meanwhile.
export async function loadPage(main, title, promise) {
  const found = await whileLoading(main, promise, () => [heading(title), frames("lines", 8)]);
  main.replaceChildren();
  return found;
}

export function frames(name, number) {
  return h("div", { class: `frames ${name}`, "aria-hidden": "true" },
    Array.from({ length: number }, () => h("div", { class: "frame" })));
}

// A table whose rows become blocks on phones. columns: {name, isNumber, isMinor}; rows: arrays.
export function table(caption, columns, rows) {
  const kind = ({ isNumber, isMinor }) => [isNumber && "number", isMinor && "minor"].filter(Boolean).join(" ") || null;
  return h(
    "table", {},
    h("caption", { class: "hidden" }, caption),
    h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col", class: kind(c) }, c.name || h("span", { class: "hidden" }, "Acts"))))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, at) =>
      h("td", { class: kind(columns[at]), "data-name": columns[at].name }, cell))))),
  );
}
