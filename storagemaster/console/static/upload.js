// The page Upload: a drop zone, and a row for each file from its first byte to its sizes.

import { lookUp } from "./api.js";
import { badge, heading } from "./components.js";
import { copy } from "./dialog.js";
import { bytes, count, duration, h, icon, number } from "./dom.js";
import { acceptedLine, chooseButton, takeFiles } from "./drop.js";
import { sizeFor } from "./grid.js";
import { add, pause, recall, remove, resume, rows, watch } from "./uploads.js";

export const title = "Upload";
export const scope = "upload";

const SAY_SECONDS = 5;
const LINK_PIXELS = 700;
const ORDER = ["failed", "away"];

export async function render({ main, may, signal }) {
  const line = h("p", { class: "line" }, "Photos");
  const zone = h("div", { class: "drop" }, icon("upload"), h("div", {}, h("strong", {}, "Drop photos here, or paste"), line), chooseButton(add));
  takeFiles(zone, add, signal);
  const totals = totalsOf(may);
  const list = h("div", { role: "list", "aria-label": "Uploads" });
  const spoken = h("p", { class: "hidden", "aria-live": "polite" });
  main.append(heading("Upload"), zone, totals.element, list, spoken);
  recall();
  const shown = new Map();
  let saidAt = 0;
  const draw = (row) => {
    if (row && shown.has(row) && shown.get(row).state === row.state && row.state === "sending") {
      shown.get(row).update();
    } else {
      drawAll();
    }
    totals.update();
    if (Date.now() - saidAt > SAY_SECONDS * 1000) {
      saidAt = Date.now();
      spoken.textContent = summary().text;
    }
  };
  const drawAll = () => {
    const rank = (row) => (ORDER.includes(row.state) ? 0 : 1);
    const sorted = [...rows].sort((one, other) => rank(one) - rank(other));
    for (const row of shown.keys()) if (!rows.includes(row)) (shown.get(row).element.remove(), shown.delete(row));
    sorted.forEach((row, at) => {
      const old = shown.get(row);
      if (!old || old.state !== row.state || old.detail !== row.detail) {
        const made = fileRow(row, may);
        if (old) {
          const focused = old.element.contains(document.activeElement) && document.activeElement.ariaLabel;
          old.element.replaceWith(made.element);
          if (focused) made.element.querySelector("button, a")?.focus();
        }
        shown.set(row, made);
      }
      const { element } = shown.get(row);
      if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
    });
  };
  watch(draw, signal);
  draw(null);
  line.textContent = await acceptedLine(signal).catch(() => "Photos of any usual format");
}

function summary() {
  const kept = rows.filter((row) => row.state === "kept" || row.state === "ready").length;
  const failed = rows.filter((row) => row.state === "failed");
  return { kept, failed, text: rows.length ? `${kept} of ${count(rows.length, "photo")} kept${failed.length ? `, ${failed.length} not kept` : ""}.` : "" };
}

// Totals come from the rows each time, so that they cannot drift from them. Buttons stay the same
// elements while their labels do: one that is replaced under the pointer is not clicked.
function totalsOf(may) {
  const text = h("p", {});
  const buttons = h("div", { class: "buttons" });
  const element = h("div", {});
  let shown = "";
  const update = () => {
    text.replaceChildren(...totalsText());
    const acts = totalsActs(may);
    const labels = acts.map(({ label }) => label).join();
    if (labels !== shown) buttons.replaceChildren(...acts.map(({ name, label, act }) => h("button", { class: "plain", onclick: act }, icon(name), label)));
    shown = labels;
    if (!rows.length) element.replaceChildren();
    else if (!element.hasChildNodes()) element.append(h("div", { class: "totals" }, text, buttons));
  };
  return { element, update };
}

const isBusy = (row) => ["hashing", "sending", "committing", "waiting"].includes(row.state);
const isPaused = (row) => row.state === "paused";
const isRetried = (row) => row.state === "failed" && row.canRetry;

function totalsText() {
  const { kept, failed } = summary();
  const sum = (list, of) => list.reduce((all, row) => all + of(row), 0);
  const all = rows.filter((row) => row.state !== "failed");
  const busy = rows.filter(isBusy);
  const sent = sum(all, (row) => Math.min(row.offset, row.size));
  const rate = sum(busy, rateOf);
  const left = sum(busy, (row) => row.size - row.offset);
  return [
    h("strong", {}, `${kept} of ${rows.length} kept`),
    h("span", { class: "line" }, `${bytes(sent)} of ${bytes(sum(all, (row) => row.size))}`),
    busy.length && rate ? h("span", { class: "line" }, `about ${duration(left / rate)} left`) : null,
    failed.length ? h("span", { class: "bad" }, `${failed.length} not kept`) : null,
  ].filter(Boolean);
}

function totalsActs(may) {
  const acts = [];
  const offer = (name, label, of, act) => acts.push({ name, label, act: () => act(rows.filter(of)) });
  const retried = rows.filter(isRetried).length;
  const linked = rows.filter((row) => row.reference).length;
  if (rows.some(isBusy)) offer("bars", "Pause all", isBusy, (some) => some.forEach(pause));
  else if (rows.some(isPaused)) offer("play", "Resume all", isPaused, (some) => some.forEach(resume));
  if (retried) offer("retry", `Retry all failed (${retried})`, isRetried, (some) => some.forEach(resume));
  if (linked && may("read")) offer("copy", `Copy ${count(linked, "link")}`, (row) => row.reference, copyLinks);
  return acts;
}

async function copyLinks(linked) {
  const statuses = await lookUp(linked.map((row) => row.reference));
  const urls = statuses.map((status) => sizeFor(status, LINK_PIXELS)?.url ?? status.urls.o).filter(Boolean);
  await copy(urls.join("\n"), count(urls.length, "link"));
}

function rateOf(row) {
  if (row.state !== "sending" || !row.began) return 0;
  return Math.max(0, row.offset - row.began.offset) / Math.max(0.5, (Date.now() - row.began.at) / 1000);
}

function fileRow(row, may) {
  const state = h("div", { class: "state" });
  const update = () => state.replaceChildren(...stateOf(row));
  const element = h(
    "div", { class: `file ${row.state}`, role: "listitem" },
    thumbnail(row),
    h("div", { class: "who-file" }, h("p", { class: "name", title: row.name }, row.name), h("p", { class: "small" }, bytes(row.size))),
    state,
    h("div", { class: "acts" }, actsOf(row, may)),
  );
  update();
  return { element, update, state: row.state, detail: row.detail };
}

function thumbnail(row) {
  if (!row.file || !/^image\/(jpeg|png|gif|webp|avif)$/.test(row.file.type)) return h("span", { class: "thumb" }, icon("upload"));
  row.picture ??= URL.createObjectURL(row.file);
  const image = h("img", { class: "thumb", alt: "", src: row.picture });
  image.onerror = () => image.replaceWith(h("span", { class: "thumb" }, icon("upload")));
  return image;
}

function stateOf(row) {
  const percent = Math.floor((100 * row.offset) / Math.max(1, row.size));
  const bar = () => h("progress", { max: 100, value: percent, "aria-label": `${row.name}: sent` });
  const [left] = [rateOf(row) ? `, ${duration((row.size - row.offset) / rateOf(row))} left` : ""];
  switch (row.state) {
    case "waiting": return [badge("waiting", "Waiting"), small("Two are sent at a time")];
    case "hashing": return [badge("busy", "Hashing"), small("So that a wrong byte is noticed")];
    case "sending": return [badge("busy", `Sending ${percent} %`), small(`${bytes(row.offset)} of ${bytes(row.size)}${left}`), bar()];
    case "committing": return [badge("busy", "Committing"), small("All bytes are sent; nodes in two colos write them to disk")];
    case "kept": return [badge("busy", "Making sizes"), small(`${keptWords(row)}: ${row.reference}${row.position ? `, ${count(row.position, "photo")} before it` : ""}`)];
    case "ready": return [row.detail ? badge("unknown", "Kept") : badge("ready", "Ready"), small(row.detail || row.reference)];
    case "paused": return [badge("paused", `Paused at ${percent} %`), small(`Continues at byte ${number(row.offset)}, also after a reload`), bar()];
    case "away": return [badge("paused", `Stopped at ${percent} %`), small("The page was loaded again. Choose the same file to continue."), bar()];
    default: return [badge("failed", "Not kept"), small(row.detail)];
  }
}

const small = (text) => h("p", { class: "small" }, text);

function keptWords(row) {
  return row.durability === "degraded" ? "Kept on two nodes of one colo, the other follows" : "Kept in two colos";
}

function actsOf(row, may) {
  const act = (shape, name, what) => h("button", { class: "quiet", "aria-label": `${name} ${row.name}`, onclick: () => what(row) }, icon(shape));
  const gone = act("cross", "Remove", remove);
  switch (row.state) {
    case "waiting": case "hashing": case "sending": return [act("bars", "Pause", pause), gone];
    case "paused": return [act("play", "Resume", resume), gone];
    case "failed": return [row.canRetry ? h("button", { class: "plain", "aria-label": `Retry ${row.name}`, onclick: () => resume(row) }, icon("retry"), "Retry") : null, gone];
    case "away": return [gone];
    case "kept": case "ready": return [may("read") ? h("a", { class: "button quiet", href: `/console/photo/${row.reference}` }, "Open") : null];
    default: return [];
  }
}
