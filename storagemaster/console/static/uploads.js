// The uploads of this tab: they continue while other pages are shown, and survive a reload.
//
// A row's state is one of: waiting, hashing, sending, committing, kept, ready, paused, failed,
// away (begun before a reload: its file must be chosen again).

import { get, lookUp } from "./api.js";
import { subscribe } from "./stream.js";
import { digestOf, upload } from "./tus.js";

const AT_ONCE = 2;
const STORE = "glassplate-uploads";
const LOOK_SECONDS = 4;

export const rows = [];
const watchers = new Set();
let limits = null;

// Calls a function after every change, until the signal is aborted.
export function watch(listener, signal) {
  watchers.add(listener);
  signal.addEventListener("abort", () => watchers.delete(listener));
}

const changed = (row) => watchers.forEach((listener) => listener(row));

function set(row, state, detail = "") {
  Object.assign(row, { state, detail, changed: Date.now() });
  changed(row);
}

const fingerprint = ({ name, size, lastModified }) => `${name}/${size}/${lastModified}`;

const stored = () => JSON.parse(localStorage.getItem(STORE) ?? "{}");

function store(row, memory) {
  const all = stored();
  if (memory) all[row.id] = { ...memory, name: row.name, size: row.size, offset: row.offset };
  else delete all[row.id];
  localStorage.setItem(STORE, JSON.stringify(all));
}

// Shows the uploads that a reload interrupted.
export function recall() {
  for (const [id, { name, size, offset, ...memory }] of Object.entries(stored())) {
    if (rows.some((row) => row.id === id)) continue;
    rows.push({ id, name, size, offset, memory, file: null, state: "away", detail: "" });
  }
}

export async function add(files) {
  limits ??= await get("/capabilities").then((all) => all.limits).catch(() => null);
  for (const file of files) {
    const id = fingerprint(file);
    const known = rows.find((row) => row.id === id && !["kept", "ready"].includes(row.state));
    if (known && known.state !== "away") continue;
    const row = known ?? { id, name: file.name, size: file.size, offset: 0, memory: null };
    row.file = file;
    row.memory ??= { url: null, key: newKey(), sha256: null };
    row.canRetry = true;
    if (!known) rows.push(row);
    const limit = limits?.upload_bytes ?? Infinity;
    if (file.size > limit) fail(row, `Larger than the limit of ${Math.floor(limit / 1e6)} MB. Nothing was sent.`, false);
    else if (file.size === 0) fail(row, "The file is empty. Nothing was sent.", false);
    else set(row, "waiting");
  }
  begin();
}

function newKey() {
  return `console-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function fail(row, detail, canRetry) {
  row.canRetry = canRetry;
  set(row, "failed", detail);
}

function begin() {
  const isBusy = (row) => ["hashing", "sending", "committing"].includes(row.state);
  while (rows.filter(isBusy).length < AT_ONCE) {
    const row = rows.find((each) => each.state === "waiting");
    if (!row) return;
    run(row);
  }
}

async function run(row) {
  row.stop = new AbortController();
  row.began = { at: Date.now(), offset: row.offset };
  const { signal } = row.stop;
  const { memory } = row;
  try {
    if (memory.sha256 === null) {
      set(row, "hashing");
      memory.sha256 = (await digestOf(row.file)) ?? "";
      if (signal.aborted) throw new DOMException("", "AbortError");
    }
    set(row, "sending");
    const receipt = await upload(row.file, memory, {
      signal,
      remember: () => store(row, memory),
      report(offset) {
        row.offset = offset;
        set(row, offset < row.size ? "sending" : "committing");
      },
    });
    store(row, null);
    Object.assign(row, receipt);
    set(row, "kept");
    look();
  } catch (problem) {
    if (problem.name !== "AbortError") {
      const isForGood = problem.status && !problem.isTemporary && problem.status !== 404;
      fail(row, wordsFor(problem, row), !isForGood);
      if (isForGood) store(row, null);
    } else if (row.state !== "removed") {
      store(row, memory);
      set(row, "paused");
    }
  }
  begin();
}

function wordsFor(problem, row) {
  if (problem.status === 401) return "You are signed out. Sign in, then retry.";
  if (problem.status === 0 || problem.status >= 500) {
    const go = row.offset ? ` Retry continues at byte ${row.offset.toLocaleString("en")}.` : "";
    return `${problem.status ? problem.detail : "No storagemaster answered for 30 s."}${go}`;
  }
  const text = problem.detail || problem.message;
  return `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}

export function pause(row) {
  if (row.state === "waiting") set(row, "paused");
  else row.stop?.abort();
}

export function resume(row) {
  set(row, "waiting");
  begin();
}

export function remove(row) {
  const { url } = row.memory ?? {};
  const isKept = ["kept", "ready"].includes(row.state);
  row.state = "removed";
  row.stop?.abort();
  rows.splice(rows.indexOf(row), 1);
  if (!isKept) store(row, null);
  // The bytes on the nodes end by themselves; this ends them now.
  if (url && !isKept) fetch(url, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0" } }).catch(() => null);
  changed(null);
  begin();
}

for (const name of ["ready", "failed"]) {
  subscribe(name, (event) => {
    const row = rows.find((each) => each.reference === `${event.volume}/${event.photo}/${event.version}`);
    if (row?.state === "kept") finish(row, event.state, event.reason);
  });
}

function finish(row, state, reason) {
  if (state === "ready") set(row, "ready");
  else if (state === "failed") set(row, "ready", `Kept, but no sizes: ${reason}`);
}

let timer = null;

// Looks up photos whose event may be lost, now and then.
function look() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const kept = rows.filter((row) => row.state === "kept");
    if (!kept.length) return;
    const found = await lookUp(kept.slice(0, 500).map((row) => row.reference)).catch(() => []);
    found.forEach((status, at) => {
      kept[at].position = status.position;
      if (kept[at].state === "kept") finish(kept[at], status.state, status.reason);
    });
    look();
  }, LOOK_SECONDS * 1000);
}

// Leaving the tab would end what is being sent.
window.addEventListener("beforeunload", (event) => {
  const isOpen = (row) => !["kept", "ready"].includes(row.state) && (row.state !== "failed" || row.canRetry);
  for (const row of rows) if (row.memory?.url && isOpen(row)) store(row, row.memory);
  if (rows.some((row) => ["hashing", "sending", "committing", "waiting"].includes(row.state))) event.preventDefault();
});
