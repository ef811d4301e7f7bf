// The search of the page Photos: by URL, by reference, or by the id of a photo.

import { get, lookUp, referenceOf } from "./api.js";
import { notice } from "./components.js";
import { h } from "./dom.js";
import { cell, rows } from "./grid.js";

const ID = "[0-9a-z]{16}";
const VERSION = "[0-9a-z]{6}";
const REFERENCE = new RegExp(`^(\\d+)/(${ID})/(${VERSION})$`);
const IN_URL = new RegExp(`(?:^|/)(\\d+)/[0-9a-z]{2}/(${ID})_(${VERSION})_`);
const IN_ADDRESS = new RegExp(`/photo/(\\d+)/(${ID})/(${VERSION})`);

// What a text names: {reference}, {photo}, or null. Pure.
export function parseTarget(text) {
  const found = REFERENCE.exec(text) ?? IN_URL.exec(text) ?? IN_ADDRESS.exec(text);
  if (found) return { reference: `${found[1]}/${found[2]}/${found[3]}` };
  return new RegExp(`^${ID}$`).test(text) ? { photo: text } : null;
}

export async function lookUpForm(context, place, line) {
  line.textContent = "Paste a URL of a photo, a reference, or the id of a photo.";
  const text = (context.query.get("find") ?? "").trim();
  const field = h("input", { type: "text", id: "find", "aria-label": "URL, reference, or id", value: text, autocomplete: "off", spellcheck: "false" });
  const form = h("form", { class: "finder" }, field, h("button", { class: "primary" }, "Look up"));
  form.onsubmit = (event) => {
    event.preventDefault();
    context.go(`/console/photos?find=${encodeURIComponent(field.value.trim())}`);
  };
  const results = h("div", { "aria-live": "polite" });
  place.append(form, results);
  if (!text) return field.focus();
  const target = parseTarget(text);
  if (!target) return results.append(notice("warn", "This names no photo.", "A reference is VOLUME/PHOTO/VERSION; an id has 16 characters."));
  if (target.reference) return context.go(`/console/photo/${target.reference}`);
  results.append(...(await byId(context, target.photo)));
}

// Every version of a photo that a node still has a file of.
async function byId(context, photo) {
  if (!context.may("admin")) {
    return [notice("warn", "A search by id needs the scope admin.", "It looks at every node. With a reference or a URL, read is enough.")];
  }
  const { files, unreachable } = await get(`/find/${photo}`, { signal: context.signal });
  const missing = Object.keys(unreachable);
  const said = missing.length
    ? [notice("warn", `${missing.join(", ")} did not answer.`, "Files that only they have are not in the result.")]
    : [];
  const path = new RegExp(`(\\d+)/[0-9a-z]{2}/${photo}_(${VERSION})_`);
  const references = new Set(files.map((file) => path.exec(file.path)).filter(Boolean).map(([, volume, version]) => `${volume}/${photo}/${version}`));
  if (!references.size) return [...said, notice("warn", "No node has this photo.", "It was never stored here, or its trash has been emptied.")];
  const statuses = await lookUp([...references], { signal: context.signal });
  const shown = statuses.filter((each) => ["ready", "pending", "failed"].includes(each.state));
  const others = statuses.filter((each) => !shown.includes(each));
  return [
    ...said,
    rows(shown.map((each) => cell(each, { second: null, isSelected: false, onSelect: null }))),
    h("ul", {}, others.map((each) => h("li", {}, h("a", { href: `/console/photo/${referenceOf(each)}` }, h("code", {}, referenceOf(each))), ` ${each.state}`))),
  ];
}
