// The drop zone: files by drag and drop, by paste, and by a button; and the page without photos.

import { get, send } from "./api.js";
import { problemNotice } from "./components.js";
import { copy } from "./dialog.js";
import { bytes, h, icon, s } from "./dom.js";
import { add } from "./uploads.js";

// Takes the files of a place; calls onFiles(files). Pasted files count wherever the focus is.
export function takeFiles(place, onFiles, signal) {
  const given = (transfer) => [...(transfer?.files ?? [])];
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", (event) => {
    if (!place.contains(event.relatedTarget)) place.classList.remove("over");
  });
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    onFiles(given(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    const files = given(event.clipboardData);
    if (files.length) onFiles(files);
  }, { signal });
  // A file that misses the zone must not replace the page.
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault(), { signal });
}

export function chooseButton(onFiles) {
  const field = h("input", { type: "file", multiple: true, hidden: true, "aria-label": "Photos to upload" });
  field.onchange = () => {
    onFiles([...field.files]);
    field.value = "";
  };
  return [h("button", { class: "primary", type: "button", onclick: () => field.click() }, "Choose photos"), field];
}

const NAMES = { jpg: "JPEG", png: "PNG", gif: "GIF", webp: "WebP", avif: "AVIF", heic: "HEIC", tif: "TIFF" };

export async function acceptedLine(signal) {
  const { upload_formats: formats, limits } = await get("/capabilities", { signal });
  return `${formats.map((each) => NAMES[each] ?? each).join(", ")}, up to ${bytes(limits.upload_bytes)} each`;
}

const SAMPLES = ["aurora", "bokeh", "dunes", "fields", "night", "paper-forest", "ridges", "sea"];

// The sample photos of the package, as files.
function sampleFiles(signal) {
  return Promise.all(SAMPLES.map(async (name) => {
    const response = await send("GET", `/console/static/${name}.jpg`, { signal });
    return new File([await response.blob()], `${name}.jpg`, { type: "image/jpeg", lastModified: 0 });
  }));
}

function samplesButton(place, take, signal) {
  const button = h("button", { class: "plain", type: "button" }, "Upload the samples");
  button.onclick = async () => {
    button.disabled = true;
    try {
      take(await sampleFiles(signal));
    } catch (problem) {
      button.disabled = false;
      if (!signal.aborted) place.prepend(problemNotice(problem));
    }
  };
  return button;
}

// Three empty frames, the drop zone itself, and the line for a terminal.
export function emptyState(context, place) {
  if (!context.may("upload")) {
    place.append(h("div", { class: "empty" }, h("div", { class: "drop" }, three(), h("h2", {}, "No photos yet"),
      h("p", { class: "line" }, "Your token cannot upload. Sign in with one that has the scope upload."))));
    return;
  }
  const take = (files) => {
    add(files);
    context.go("/console/upload");
  };
  const zone = h("div", { class: "drop" }, three(), h("h2", {}, "No photos yet"),
    h("p", { class: "line" }, "Drop one here, or paste it. It is kept in two colos before it counts as kept."),
    h("div", { class: "buttons" }, chooseButton(take), samplesButton(place, take, context.signal)),
    h("p", { class: "small" }, "The samples are eight photos that come with Glassplate."));
  takeFiles(zone, take, context.signal);
  const command = `curl --data-binary @cat.jpg -H "Authorization: Bearer $TOKEN" \\\n  ${location.origin}/photos`;
  place.append(h("div", { class: "empty" }, zone, h("p", { class: "small" }, "Or from a terminal"),
    h("div", { class: "command" }, h("code", {}, command),
      h("button", { class: "quiet", "aria-label": "Copy the command", onclick: () => copy(command, "Command") }, icon("copy")))));
}

function three() {
  return s("svg", { class: "three", viewBox: "0 0 120 72", "aria-hidden": "true" },
    s("rect", { x: 1, y: 16, width: 56, height: 50, rx: 2 }), s("rect", { x: 45, y: 2, width: 46, height: 64, rx: 2 }),
    s("rect", { x: 77, y: 24, width: 42, height: 42, rx: 2, class: "new" }), s("path", { d: "M98 39v12M92 45h12", class: "new" }));
}
