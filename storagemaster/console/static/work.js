// The page Work: what is left to do, and what failed: hints, repair, scrubs, queues, photos.

import { get, lookUp, post } from "./api.js";
import { badge, heading, loadPage, notice, table } from "./components.js";
import { ask, toast } from "./dialog.js";
import { bytes, count, duration, h, icon, number, time } from "./dom.js";
import { every, showAge, update } from "./live.js";

export const title = "Work";
export const scope = "status";

const SCRUBS_MILLISECONDS = 5_000;
const OLDEST_JOB_SECONDS_MAX = 300;
const FAILED_MAX = 200;

export async function render(context) {
  const { main, on, may, signal } = context;
  const line = h("p", { class: "line" });
  const head = heading(title);
  head.firstChild.append(line);
  const places = ["hints", "repair", "queues", "scrubs"].map(() => h("div", {}));
  const [hints, repair, queues, scrubs] = places;
  const status = await loadPage(main, title, get("/status", { signal }));
  const draw = (now) => {
    line.textContent = sentenceOf(now);
    update(hints, [now.pending_hints, now.nodes.map((node) => [node.id, node.up, node.pending_hints, Math.round(node.hints_age_seconds / 10)])], () => hintsView(now));
    update(repair, [now.repair, now.waits], () => repairView(now));
    update(queues, [now.queues, now.workers_alive, now.oldest_job_seconds], () => queuesView(now));
  };
  main.append(
    head,
    section("Files for other nodes", "Written for a mirror that was down, and delivered when it is back.", hints),
    section("Repair", "Mirrors are compared after each fault, and then all the time.", repair),
    section("Sizes", "Jobs of the image workers.", queues),
    section("Failed photos", "Their originals are kept. A size that could not be made is tried three times.", failedView(context)),
    section("Scrub", "Every byte is read again and compared with its digest.", scrubs),
  );
  draw(status);
  on("status", draw);
  every(1000, () => showAge(main, line), signal);
  every(SCRUBS_MILLISECONDS, async () => {
    const found = await get("/scrubs", { signal });
    update(scrubs, found, () => scrubsView(found));
  }, signal);
  if (!may("admin")) line.append(" Acts need a token with the scope admin.");
}

function section(name, about, content) {
  return h("section", {}, h("div", { class: "section-head" }, h("h2", {}, name), h("p", { class: "small" }, about)), content);
}

export function sentenceOf(status) {
  const parts = [];
  if (status.pending_hints) parts.push(`${count(status.pending_hints, "file")} to deliver`);
  if (status.repair.steps_left) parts.push(`${count(status.repair.steps_left, "repair step")} left`);
  if (status.queues === null) parts.push("the queue does not answer");
  else {
    const jobs = Object.values(status.queues).reduce((sum, depth) => sum + depth, 0);
    if (jobs) parts.push(`${count(jobs, "photo")} waiting for sizes`);
  }
  if (status.repair.failed_total) parts.push(`${count(status.repair.failed_total, "file")} not repaired`);
  return parts.length ? `${parts.join(", ")}.` : "Nothing is left to do.";
}

// figures: [name, value, kind]
function figures(...found) {
  return h("dl", { class: "figures" }, found.map(([name, value, kind]) =>
    h("div", {}, h("dt", {}, name), h("dd", { class: kind ?? null }, value))));
}

function blocks(caption, columns, rows) {
  const element = table(caption, columns, rows);
  element.classList.add("blocks");
  return element;
}

function hintsView(status) {
  const nodes = status.nodes.filter((node) => node.pending_hints || node.pending_hints === null);
  if (!nodes.length) return [h("p", { class: "empty-line" }, badge("done", "No node holds a file for another."))];
  return [blocks("Files for other nodes", [{ name: "Held by" }, { name: "Files", isNumber: true }, { name: "Oldest", isNumber: true }, { name: "State" }],
    nodes.map((node) => [h("b", {}, node.id), number(node.pending_hints), node.up ? duration(node.hints_age_seconds) : "–", badge(node.up ? "hint" : "down", node.up ? "waiting for its mirror" : "down, unknown")]))];
}

function repairView({ repair, waits }) {
  const shown = [];
  const isBusy = repair.steps_left > 0;
  if (isBusy) {
    shown.push(figures(["Volumes left", number(repair.volumes_left)], ["Steps left", number(repair.steps_left)], ["Bytes left", bytes(repair.bytes_left)], ["Time left", duration(repair.seconds_left)]));
  }
  for (const wait of waits) {
    shown.push(h("p", {}, badge("busy", `${wait.volumes.length > 8 ? count(wait.volumes.length, "volume") : `Volume ${wait.volumes.join(", ")}`}: ${wait.for}`)));
  }
  for (const conflict of repair.conflicts) {
    shown.push(notice("warn", `Different originals of ${conflict.reference}.`, `On ${conflict.originals.map((each) => each.node).join(" and ")}. It is settled once every node is up.`));
  }
  if (repair.failed.length) {
    shown.push(notice("bad", `${count(repair.failed_total, "file")} could not be repaired.`, "Fix the cause below, then repair the volume on the page Volumes."));
    shown.push(blocks("Files that could not be repaired", [{ name: "File" }, { name: "Node" }, { name: "Reason" }],
      repair.failed.map((step) => [h("span", { class: "mono" }, step.path), step.node, step.reason])));
  }
  if (!shown.length) shown.push(h("p", { class: "empty-line" }, badge("done", "All volumes were compared since the last fault.")));
  return shown;
}

function queuesView({ queues, workers_alive: workers, oldest_job_seconds: oldest }) {
  if (queues === null) {
    return [notice("bad", "The queue does not answer.", "Uploads are stored. Sizes are made when it is back; no job is lost.")];
  }
  const isLate = oldest !== null && oldest > OLDEST_JOB_SECONDS_MAX;
  return [figures(
    ...Object.entries(queues).map(([name, depth]) => [`Queue “${name}”`, number(depth)]),
    ["Oldest job", oldest ? duration(oldest) : "none", isLate ? "warn" : null],
    ["Workers", number(workers), workers === 0 ? "bad" : null],
  )];
}

function scrubsView({ nodes, unreachable }) {
  const columns = [{ name: "Node" }, { name: "Done", isNumber: true }, { name: "Files", isNumber: true }, { name: "Read", isNumber: true, isMinor: true },
    { name: "Corrupt", isNumber: true }, { name: "Last pass" }];
  const rows = nodes.map((node) => [
    h("b", {}, node.node),
    `${node.shards_total ? Math.floor((100 * node.shards) / node.shards_total) : 100} %`,
    number(node.files), bytes(node.bytes),
    node.corrupt.length ? badge("corrupt", number(node.corrupt.length)) : "0",
    node.completed_seconds ? `${duration(Date.now() / 1000 - node.completed_seconds)} ago` : "none since its start",
  ]);
  return [
    ...Object.entries(unreachable).map(([node, reason]) => h("p", {}, badge("unknown", `${node} did not answer: ${reason}`))),
    blocks("Scrubs", columns, rows),
    ...nodes.filter((node) => node.corrupt.length).map((node) => h("ul", { class: "paths mono" }, node.corrupt.map((path) => h("li", {}, h("span", {}, path), h("span", {}, `in the quarantine of ${node.node}`))))),
  ];
}

// Searches all volumes on request: no list of failed photos is kept anywhere.
function failedView(context) {
  const { may, signal, on } = context;
  const place = h("div", {});
  if (!may("admin") || !may("read")) {
    place.append(h("p", { class: "empty-line" }, "Searching for them needs a token with the scopes ", h("code", {}, "admin"), " and ", h("code", {}, "read"), "."));
    return place;
  }
  const results = h("div", {});
  const search = h("button", { class: "plain" }, "Search all volumes");
  const found = new Map();
  const draw = (line) => results.replaceChildren(...failedTable([...found.values()], line, again));
  const again = async (photos) => {
    await tryAgain(photos, signal, (reference) => found.delete(reference));
    draw(null);
  };
  search.onclick = async () => {
    search.disabled = true;
    found.clear();
    try {
      await findFailed(found, results, signal);
      draw(`Searched at ${time(Date.now() / 1000)}.`);
    } finally {
      search.disabled = false;
    }
  };
  on("failed", async (event) => {
    const reference = `${event.volume}/${event.photo}/${event.version}`;
    const [status] = await lookUp([reference], { signal });
    if (status?.state === "failed") found.set(reference, status);
    draw(null);
  });
  place.append(results, h("p", { class: "buttons" }, search));
  return place;
}

async function findFailed(found, results, signal) {
  const { volumes } = await get("/status", { signal });
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Search" });
  const words = h("p", { class: "small", "aria-live": "polite" });
  results.replaceChildren(h("div", { class: "progress-line" }, words, progress));
  for (const [at, { number: volume }] of volumes.entries()) {
    words.textContent = `Volume ${volume}, ${count(found.size, "failed photo")} so far`;
    const { shards } = await get(`/regenerations/${volume}`, { signal });
    for (const [done, shard] of shards.entries()) {
      progress.value = (at + done / shards.length) / volumes.length;
      const { photos } = await get(`/regenerations/${volume}/${shard}`, { signal });
      for (const status of await lookUp(photos, { signal })) {
        if (status.state === "failed") found.set(`${status.volume}/${status.photo}/${status.version}`, status);
      }
      if (found.size >= FAILED_MAX) return;
    }
  }
}

function failedTable(photos, line, again) {
  if (!photos.length) return line ? [h("p", { class: "empty-line" }, badge("done", `No failed photo. ${line}`))] : [];
  const rows = photos.map((status) => {
    const reference = `${status.volume}/${status.photo}/${status.version}`;
    return [h("a", { href: `/console/photo/${reference}`, class: "mono" }, reference), status.reason,
      h("button", { class: "quiet", "aria-label": `Try ${reference} again`, onclick: () => again([reference]) }, icon("retry"), "Try again…")];
  });
  const all = photos.map((status) => `${status.volume}/${status.photo}/${status.version}`);
  return [
    h("div", { class: "section-head" }, h("p", {}, badge("failed", count(photos.length, "failed photo"))),
      photos.length > 1 && h("button", { class: "plain", onclick: () => again(all) }, `Try all ${photos.length} again…`)),
    blocks("Failed photos", [{ name: "Photo" }, { name: "Reason" }, { name: "" }], rows),
    line && h("p", { class: "small" }, line),
  ].filter(Boolean);
}

async function tryAgain(references, signal, done) {
  const photos = count(references.length, "photo");
  const isWanted = await ask({
    title: references.length === 1 ? "Make the sizes of this photo again?" : `Make the sizes of ${photos} again?`,
    plan: [
      { icon: "ring", text: "A worker makes all sizes again from the original, behind new uploads." },
      { icon: "tick", text: "The original and its URLs stay as they are." },
    ],
    warning: "The same bytes fail again, unless the cause was outside of the photo.",
    act: references.length === 1 ? "Try again" : `Try ${photos} again`,
    keep: "Leave it",
  });
  if (!isWanted) return;
  for (const photo of references) {
    await post("/regenerations", { body: { photo }, signal });
    done(photo);
  }
  toast(`${photos} enqueued.`);
}
