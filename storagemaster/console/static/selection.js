// The bar of the selected photos, and what can be done with all of them.

import { deletePhotos } from "./acts.js";
import { referenceOf } from "./api.js";
import { copy } from "./dialog.js";
import { count, h, icon } from "./dom.js";
import { sizeFor } from "./grid.js";

const COPIED_PIXELS = 700;

// clear() empties the selection; remove(reference) takes a deleted photo from the page.
export function selectionBar(context, statuses, { clear, remove }) {
  const references = statuses.map(referenceOf);
  const urls = statuses.map((each) => sizeFor(each, COPIED_PIXELS)?.url).filter(Boolean);
  const deleteAll = async () => {
    for (const each of await deletePhotos(statuses, context)) remove(each);
  };
  return h(
    "div", { class: "selection", role: "region", "aria-label": "Selection" },
    h("b", { role: "status" }, `${statuses.length} selected`),
    h("div", { class: "acts" },
      h("button", { class: "quiet", onclick: () => copy(references.join("\n"), count(references.length, "reference")) }, icon("copy"), "Copy references"),
      h("button", { class: "quiet", onclick: () => copy(urls.join("\n"), count(urls.length, "URL")) }, icon("copy"), "Copy URLs"),
      context.may("delete") && h("button", { class: "danger", onclick: deleteAll }, "Delete…")),
    h("button", { class: "quiet close", "aria-label": "Clear the selection", onclick: clear }, icon("cross")),
  );
}
