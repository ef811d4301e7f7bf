// The grid of photos: justified rows, uncropped, with placeholders until the photos have loaded.

import { referenceOf } from "./api.js";
import { placeholder } from "./blurhash.js";
import { badge } from "./components.js";
import { h, icon, time, vary } from "./dom.js";

const ROW_PIXELS = 200;
const USUAL_RATIO = 1.5;

// Width and height of a photo; null while its sizes are not made.
export function dimensionsOf(status) {
  const { original } = status.info ?? {};
  return original ? { width: original.width, height: original.height } : null;
}

// The smallest uncropped size with this height on the screen, or the largest there is: {letter, url}.
export function sizeFor(status, pixels) {
  const wanted = pixels * Math.min(2, devicePixelRatio || 1);
  const original = dimensionsOf(status);
  const ratio = original ? original.width / original.height : 1;
  const whole = (status.info?.variants ?? [])
    .filter((each) => each.ext === "jpg" && status.urls[each.size])
    .filter((each) => Math.abs(each.width / each.height / ratio - 1) < 0.05)
    .sort((one, other) => one.height - other.height);
  const found = whole.find((each) => each.height >= wanted) ?? whole.at(-1);
  if (found) return { letter: found.size, url: status.urls[found.size] };
  return null;
}

// The picture of a photo: its placeholder, and over it the photo once it has loaded.
export function picture(status, pixels, alt) {
  const box = h("span", { class: "picture" });
  const size = dimensionsOf(status);
  vary(box, "--ratio", String(size ? size.width / size.height : USUAL_RATIO));
  const blur = placeholder(status.info?.placeholder?.blurhash);
  if (blur) box.append(blur);
  const source = sizeFor(status, pixels);
  if (source) {
    const image = h("img", { alt, decoding: "async" });
    image.onload = () => box.classList.add("loaded");
    image.onerror = () => {
      box.classList.add("lost");
      image.remove();
      box.append(h("span", { class: "small" }, icon("triangle"), "The edge did not send this photo"));
    };
    image.src = source.url;
    box.append(image);
    if (image.complete && image.naturalWidth) box.classList.add("loaded");
  }
  return box;
}

// One photo of the grid. second may be null; onSelect(reference, isSelected) or null.
export function cell(status, { second, isSelected, onSelect }) {
  const reference = referenceOf(status);
  const name = second ? `Photo of ${time(second)}` : `Photo ${status.photo}`;
  const link = h("a", { href: `/console/photo/${reference}`, class: "shot" });
  const isFailed = status.state === "failed";
  if (isFailed) {
    link.append(h("span", { class: "no-sizes" }, icon("octagon"), h("b", {}, "No sizes"),
      h("span", {}, `${status.reason || "The sizes could not be made"}. The original is kept.`)));
  } else {
    link.append(picture(status, ROW_PIXELS, name));
    if (!sizeFor(status, ROW_PIXELS)) link.append(h("span", { class: "hidden" }, name));
  }
  const figure = h("figure", { "data-reference": reference, class: isSelected ? "selected" : null }, link);
  const size = dimensionsOf(status);
  vary(figure, "--ratio", String(size ? size.width / size.height : isFailed ? 1 : USUAL_RATIO));
  if (onSelect) {
    const box = h("input", { type: "checkbox", "aria-label": `Select ${name.toLowerCase()}`, checked: isSelected });
    box.checked = isSelected;
    box.onchange = () => {
      figure.classList.toggle("selected", box.checked);
      onSelect(reference, box.checked);
    };
    figure.append(h("label", { class: "select" }, box, icon("tick")));
  }
  figure.append(h("figcaption", {}, h("span", {}, second ? time(second).split(", ").at(-1) : status.photo), stateOf(status)));
  return figure;
}

function stateOf(status) {
  if (status.state === "pending") {
    return badge("pending", status.position ? `${status.position} before it` : "making sizes");
  }
  if (status.state === "failed") return badge("failed");
  return status.state === "ready" ? null : badge("unknown", status.state);
}

export function rows(cells) {
  return h("div", { class: "rows" }, cells);
}
