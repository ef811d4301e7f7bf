// The page Photos: the newest, those of a volume, and a search by URL, reference, or id.

import { get, lookUp, referenceOf } from "./api.js";
import { frames, heading, notice, whileLoading } from "./components.js";
import { count, day, h, hourName, icon, time } from "./dom.js";
import { cell, rows } from "./grid.js";
import { colosDown } from "./health.js";
import { emptyState } from "./drop.js";
import { every } from "./live.js";
import { lookUpForm } from "./look-up.js";
import { selectionBar } from "./selection.js";
import { latest } from "./stream.js";

export const title = "Photos";
export const scope = "read";

const PAGE_PHOTOS = 60;
const LOOK_MILLISECONDS = 4000;
const LOOKED_AT_MAX = 100;

export async function render(context) {
  const { main, query } = context;
  const mode = query.has("volume") ? "volume" : query.has("find") ? "find" : "newest";
  const line = h("p", { class: "line" });
  const head = heading("Photos", null, segments(mode), context.may("upload") && uploadLink());
  head.firstChild.append(line);
  const banner = h("div", {});
  const grid = h("div", {});
  main.append(banner, head, grid);
  if (mode === "find") return lookUpForm(context, grid, line);
  const photos = new Photos(context, { banner, grid, line }, mode);
  if (mode === "volume") main.insertBefore(photos.volumeForm(), grid);
  await photos.begin();
}

function segments(mode) {
  const link = (name, path, text) => h("a", { href: path, "aria-current": mode === name ? "page" : null }, text);
  return h("div", { class: "segments" },
    link("newest", "/console/photos", "Newest"),
    link("volume", "/console/photos?volume=", "Volume"),
    link("find", "/console/photos?find=", "Look up"));
}

function uploadLink() {
  return h("a", { class: "button primary", href: "/console/upload" }, icon("upload"), "Upload");
}

class Photos {
  constructor(context, places, mode) {
    Object.assign(this, { context, mode }, places);
    this.statuses = new Map();
    this.seconds = new Map();
    this.cells = new Map();
    this.selected = new Set();
    this.arrived = new Set();
    this.groups = new Map();
    this.next = null;
  }

  volumeForm() {
    const { context } = this;
    const field = h("input", { id: "volume", type: "text", inputmode: "numeric", "aria-label": "Number of the volume", value: context.query.get("volume") });
    const known = latest.status?.volumes.map((each) => each.number) ?? [];
    const form = h("form", { class: "finder" }, field, h("button", { class: "plain" }, "Show volume"),
      h("datalist", { id: "volumes" }, known.map((each) => h("option", { value: each }))));
    field.setAttribute("list", "volumes");
    form.onsubmit = (event) => {
      event.preventDefault();
      context.go(`/console/photos?volume=${encodeURIComponent(field.value.trim())}`);
    };
    return form;
  }

  async begin() {
    const { context, grid } = this;
    if (this.mode === "volume" && !context.query.get("volume")) {
      this.line.textContent = "All photos of a volume, in the order of their ids.";
      return;
    }
    const first = await whileLoading(grid, this.load(), () => frames("photos-frames", 12));
    grid.replaceChildren();
    if (!first.statuses.length && !this.next && this.mode === "newest") {
      this.line.textContent = "";
      emptyState(context, grid);
    } else {
      this.show(first.statuses);
    }
    for (const name of ["uploaded", "ready", "failed"]) context.on(name, (event) => this.changed(event));
    context.on("deleted", (event) => this.deleted(event));
    context.on("status", () => this.tell());
    every(LOOK_MILLISECONDS, () => this.lookAtPending(), context.signal);
  }

  // Shows sizes once they are made, also if their event came before this page listened.
  async lookAtPending() {
    const pending = [...this.statuses].filter(([, status]) => status.state === "pending").map(([reference]) => reference);
    for (const status of await lookUp(pending.slice(0, LOOKED_AT_MAX), { signal: this.context.signal })) {
      if (status.state !== "pending") this.redraw(referenceOf(status), status);
    }
  }

  // Loads the next page, and says where it ends.
  async load() {
    const { context, mode } = this;
    const path = mode === "newest" ? "/photos/recent" : "/photos";
    const query = { limit: PAGE_PHOTOS };
    if (mode === "volume") query.volume = context.query.get("volume");
    if (this.next) query[mode === "newest" ? "before" : "after"] = this.next;
    const page = await get(path, { query, signal: context.signal });
    this.next = mode === "newest" ? page.before : page.after;
    this.unreachable = page.unreachable;
    const references = page.photos.map((each) => each.reference ?? each);
    for (const each of page.photos) if (each.reference) this.seconds.set(each.reference, each.stored_seconds);
    const found = await lookUp(references, { signal: context.signal });
    const statuses = found.filter((each) => ["ready", "pending", "failed"].includes(each.state));
    for (const each of statuses) this.statuses.set(referenceOf(each), each);
    return { statuses };
  }

  show(statuses) {
    for (const status of statuses) {
      const made = this.make(status);
      this.groupOf(referenceOf(status)).append(made);
    }
    this.grid.querySelector(".more")?.remove();
    if (this.next) {
      const more = h("button", { class: "plain" }, this.mode === "newest" ? "Show older photos" : "Show more photos");
      more.onclick = async () => {
        more.disabled = true;
        this.show((await this.load()).statuses);
      };
      this.grid.append(h("div", { class: "more" }, more));
    }
    this.tell();
  }

  make(status) {
    const reference = referenceOf(status);
    const made = cell(status, {
      second: this.seconds.get(reference) ?? null,
      isSelected: this.selected.has(reference),
      onSelect: this.context.may("read") ? (each, isSelected) => this.select(each, isSelected) : null,
    });
    this.cells.set(reference, made);
    return made;
  }

  // Photos of one hour are below one heading.
  groupOf(reference) {
    const second = this.seconds.get(reference);
    const hour = second ? Math.floor(second / 3600) * 3600 : 0;
    if (!this.groups.has(hour)) {
      const number = h("span", { class: "small" });
      const place = rows([]);
      const group = h("section", { class: "group" }, h("h2", { class: hour ? null : "hidden" }, hour ? hourName(hour) : "Photos", number), place);
      this.groups.set(hour, { place, number });
      this.grid.append(group);
    }
    return this.groups.get(hour).place;
  }

  // The line below the title, the numbers of the groups, and the banner of what is missing.
  tell() {
    const { line, mode } = this;
    for (const { place, number } of this.groups.values()) number.textContent = count(place.childElementCount, "photo");
    const colos = latest.status ? colosDown(latest.status) : [];
    const missing = colos.length ? colos : this.unreachable ?? [];
    if (this.statuses.size) {
      const oldest = Math.min(...this.seconds.values());
      line.textContent = mode === "volume"
        ? `Volume ${this.context.query.get("volume")}: ${count(this.statuses.size, "photo")}${this.next ? " so far" : ""}, in the order of their ids.`
        : `Newest first, back to ${Number.isFinite(oldest) ? day(oldest) : "–"}. Your application has the older ones.`;
    }
    const now = latest.status ? time(latest.status.at_seconds) : time(Date.now() / 1000);
    const text = `Photos that only ${missing.length === 1 ? "it has" : "they have"} are not shown, and return with ${missing.length === 1 ? "it" : "them"}. As of ${now}; no photo is lost.`;
    const key = missing.join();
    if (this.told === key) return;
    this.told = key;
    this.banner.replaceChildren(...(missing.length
      ? [notice("warn", `${missing.join(" and ")} ${missing.length === 1 ? "does" : "do"} not answer.`, text,
          h("button", { class: "plain", onclick: this.context.again }, icon("retry"), "Try again"))]
      : []));
  }

  async changed(event) {
    const reference = `${event.volume}/${event.photo}/${event.version}`;
    if (!this.statuses.has(reference)) {
      if (this.mode === "newest") this.announce(reference);
      return;
    }
    const [status] = await lookUp([reference], { signal: this.context.signal });
    this.redraw(reference, status);
  }

  redraw(reference, status) {
    this.statuses.set(reference, status);
    const old = this.cells.get(reference);
    const isFocused = old.contains(document.activeElement);
    const made = this.make(status);
    old.replaceWith(made);
    if (isFocused) made.querySelector("a").focus();
  }

  // New photos wait behind a button, so that nothing moves under the pointer.
  announce(reference) {
    this.arrived.add(reference);
    const button = h("button", { class: "primary", onclick: this.context.again }, `Show ${count(this.arrived.size, "new photo")}`);
    const old = this.context.main.querySelector(".arrivals");
    const place = h("div", { class: "arrivals" }, button);
    if (old) old.replaceWith(place);
    else this.context.main.insertBefore(place, this.grid);
  }

  deleted({ volume, photo, version }) {
    const prefix = `${volume}/${photo}/${version}`;
    for (const reference of [...this.cells.keys()]) if (reference.startsWith(prefix)) this.remove(reference);
  }

  remove(reference) {
    this.cells.get(reference)?.remove();
    for (const map of [this.cells, this.statuses, this.selected]) map.delete(reference);
    this.drawSelection();
    this.tell();
  }

  select(reference, isSelected) {
    if (isSelected) this.selected.add(reference);
    else this.selected.delete(reference);
    this.drawSelection();
  }

  drawSelection() {
    const { context, selected } = this;
    this.grid.classList.toggle("selecting", selected.size > 0);
    document.querySelector(".selection")?.remove();
    if (!selected.size) return;
    const statuses = [...selected].map((each) => this.statuses.get(each));
    const clear = () => {
      for (const each of [...selected]) {
        const figure = this.cells.get(each);
        figure.classList.remove("selected");
        figure.querySelector("input").checked = false;
      }
      selected.clear();
      this.drawSelection();
    };
    context.main.append(selectionBar(context, statuses, { clear, remove: (each) => this.remove(each) }));
  }
}
