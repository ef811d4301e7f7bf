// The page Cluster: what is wrong first, then colos side by side, then the last hours.

import { alertsOf } from "./alerts.js";
import { get, post } from "./api.js";
import { badge, heading, loadPage, notice } from "./components.js";
import { ask, toast } from "./dialog.js";
import { bytes, count, duration, h, milliseconds, number, s, time } from "./dom.js";
import { chartsOf, tablesToggle } from "./last-hours.js";
import { every, showAge, update } from "./live.js";
import { runbookButton } from "./runbook.js";
import { latest } from "./stream.js";

export const title = "Cluster";
export const scope = "status";

const FILLING_DAYS = 14;
const DAYS_SHOWN_MAX = 999;
const FSYNC_SECONDS_MAX = 0.25;
const SCRUBS_MILLISECONDS = 30_000;
const SAMPLES_MILLISECONDS = 10_000;

export async function render({ main, may, on, signal }) {
  let scrubs = new Map();
  const alerts = h("div", { class: "alerts" });
  const line = h("p", { class: "line" });
  const colos = h("div", { class: "colos" });
  const charts = h("div", { class: "charts" });
  const scrub = may("admin") && h("button", { class: "plain", onclick: () => startScrub(signal) }, "Scrub…");
  const head = heading(title, null, scrub);
  head.firstChild.append(line);
  const draw = (status) => {
    line.textContent = sentenceOf(status);
    update(alerts, alertsOf(status), (found) =>
      found.map(([strong, text, kind, alert]) => notice(kind, strong, text, runbookButton(alert))));
    colos.replaceChildren(...coloOrder(status).map((colo) => coloCard(colo, status, scrubs)));
  };
  const status = await loadPage(main, title, get("/status", { signal }));
  const loadScrubs = async () => {
    const found = await get("/scrubs", { signal });
    scrubs = new Map(found.nodes.map((node) => [node.node, node]));
    draw(latest.status ?? status);
  };
  const loadCharts = async () => {
    const samples = await get("/console/samples", { signal });
    charts.replaceChildren(...chartsOf(samples));
  };
  main.append(
    alerts, head, colos,
    h("p", { class: "small marks" },
      h("span", {}, marksSentence(status)),
      h("span", {}, "Days to full: at the rate of the last week, known after one day."),
      h("span", {}, "fsync: 99 % were as fast in the last five minutes.")),
    h("section", {},
      h("div", { class: "section-head" }, h("h2", {}, "Last hours"),
        h("div", { class: "small" }, `measured by storagemaster ${status.master} · `, tablesToggle(charts))),
      charts),
  );
  draw(status);
  on("status", draw);
  every(SCRUBS_MILLISECONDS, loadScrubs, signal);
  every(SAMPLES_MILLISECONDS, loadCharts, signal);
  every(1000, () => showAge(main, line), signal);
}

// The share of a disk at which it takes no new photos, and nothing but deletes.
function marksSentence({ nodes }) {
  const disk = nodes.find((node) => node.reserve_bytes && node.total_bytes);
  if (!disk) return "Marks on a bar: no new photos, and nothing but deletes.";
  const [soft, hard] = [2, 1].map((times) => Math.round(100 - (100 * times * disk.reserve_bytes) / disk.total_bytes));
  return `Marks on a bar: no new photos at ${soft} %, nothing but deletes at ${hard} %.`;
}

export function sentenceOf(status) {
  const up = status.nodes.filter((node) => node.up).length;
  return [
    `${up} of ${count(status.nodes.length, "node")} up`,
    count(status.volumes.length, "volume"),
    `${count(status.pending_hints, "file")} to deliver`,
  ].join(", ");
}

const colosOf = (status) => [...new Set(status.nodes.map((node) => node.colo))].sort();

// Fixed places side by side; on narrow screens the colo in trouble comes first.
function coloOrder(status) {
  const names = colosOf(status);
  if (!matchMedia("(max-width: 899px)").matches) return names;
  const trouble = (colo) => status.nodes.filter((node) => node.colo === colo && !node.up).length;
  return names.sort((a, b) => trouble(b) - trouble(a));
}

function coloCard(colo, status, scrubs) {
  const nodes = status.nodes.filter((node) => node.colo === colo);
  const up = nodes.filter((node) => node.up).length;
  const masters = status.masters.filter((master) => master.colo === colo);
  const mastersUp = masters.filter((master) => master.up).length;
  const rank = (node) => (node.up ? (node.reason ? 1 : node.fenced_volumes.length ? 2 : 3) : 0);
  return h(
    "section", { class: "card colo" },
    h("div", { class: "section-head" }, h("h2", {}, colo),
      h("p", {}, h("span", { class: up < nodes.length ? "short" : null }, `${up} of ${nodes.length} up`), " · ",
        h("span", { class: mastersUp < masters.length ? "short" : null },
          mastersUp < masters.length ? `${mastersUp} of ${count(masters.length, "storagemaster")}` : count(masters.length, "storagemaster")))),
    h("ul", {}, nodes.sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id)).map((node) => nodeRow(node, status, scrubs.get(node.id)))),
    h("ul", { class: "edges" }, status.edges.filter((edge) => edge.colo === colo).map(edgeRow)),
  );
}

function nodeRow(node, status, scrub) {
  const state = !node.up ? ["down", "down"] : node.reason ? ["failed", "no writes"]
    : node.fenced_volumes.length ? ["fenced", "fenced"] : !node.read_up ? ["unknown", "not readable"]
    : isFilling(node) ? ["filling", "filling"] : ["up", "up"];
  const used = node.total_bytes === null ? null : node.total_bytes - node.free_bytes;
  const facts = [
    used === null ? "space unknown" : `${bytes(used)} of ${bytes(node.total_bytes)}`,
    node.photos === null ? null : count(node.photos, "photo"),
    node.up ? null : node.reason || null,
    node.fenced_volumes.length ? `${count(node.fenced_volumes.length, "volume")} until deletes are checked` : null,
    node.pending_hints ? `${count(node.pending_hints, "file")} for other nodes` : null,
    !node.up ? volumesOn(node, status) : null,
    node.up ? fsyncFact(node) : null,
    node.up && scrub ? scrubbed(scrub) : null,
    scrub?.corrupt.length ? badge("corrupt", `${count(scrub.corrupt.length, "corrupt copy", "corrupt copies")} found`) : null,
  ];
  const days = node.up ? daysOf(node) : "–";
  return h(
    "li", { class: `node ${node.up ? "" : "down"}` },
    h("div", { class: "who-is" }, h("b", {}, node.id), badge(...state)),
    h("div", {}, spaceBar(node), h("p", { class: "small facts" }, facts.filter(Boolean).map((fact) => h("span", {}, fact)))),
    h("div", { class: `days ${isFilling(node) ? "warn" : ""}` }, h("b", {}, days), h("span", { class: "small" }, node.up ? "days to full" : "last known")),
  );
}

const isFilling = (node) => node.up && ((node.days_to_full !== null && node.days_to_full < FILLING_DAYS) || (!node.accepts_new_photos && !node.reason));

function daysOf(node) {
  if (node.days_to_full === null) return "–";
  return node.days_to_full > DAYS_SHOWN_MAX ? `${DAYS_SHOWN_MAX}+` : number(node.days_to_full);
}

function volumesOn(node, status) {
  const numbers = status.volumes.filter((each) => each.mirrors.includes(node.id)).map((each) => each.number);
  return numbers.length > 8 ? `${numbers.length} volumes` : `volumes ${numbers.join(", ")}`;
}

// What 99 % of the fsyncs of the last minutes did not exceed.
function fsyncFact({ fsync_p99_seconds: seconds }) {
  if (seconds === null) return null;
  const text = `fsync ${milliseconds(seconds)}`;
  return seconds > FSYNC_SECONDS_MAX ? badge("filling", `${text}, slow`) : text;
}

function scrubbed(scrub) {
  return scrub.completed_seconds ? `scrubbed ${duration(Date.now() / 1000 - scrub.completed_seconds)} ago` : "first scrub is running";
}

// A bar with two marks: no new photos, and nothing but deletes. Hatched when the number is old.
export function spaceBar(node) {
  if (!node.total_bytes) return h("div", { class: "space" });
  const used = 1 - node.free_bytes / node.total_bytes;
  const marks = node.reserve_bytes ? [2, 1].map((times) => 100 - (100 * times * node.reserve_bytes) / node.total_bytes) : [];
  return s(
    "svg", { class: `space ${node.up ? "" : "old"} ${isFilling(node) ? "warn" : ""}`, viewBox: "0 0 100 14", preserveAspectRatio: "none", role: "img", "aria-label": `${Math.round(used * 100)} % of the disk is used` },
    s("defs", {}, s("pattern", { id: `hatch-${node.id}`, width: 1.6, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "skewX(-12)" }, s("rect", { width: 0.8, height: 8, class: "fill" }))),
    s("rect", { class: "track", y: 3, width: 100, height: 8 }),
    s("rect", { class: node.up ? "fill" : null, fill: node.up ? null : `url(#hatch-${node.id})`, y: 3, width: (100 * used).toFixed(2), height: 8 }),
    marks.map((at) => s("rect", { class: "mark-line", x: at.toFixed(2), y: 0, width: 0.35, height: 14 })),
  );
}

function edgeRow(edge) {
  const isWell = edge.up && edge.purge_up;
  return h(
    "li", { class: "edge" },
    h("div", { class: "who-is" }, h("b", {}, edge.id), badge(isWell ? "up" : edge.up ? "unknown" : "down", isWell ? "up" : edge.up ? "no purges" : "down")),
    h("p", { class: "small" }, edge.kind === "nginx" ? "nginx" : "Varnish, not measured",
      edge.reads_per_second === null ? null : `, ${number(edge.reads_per_second, edge.reads_per_second < 10 ? 1 : 0)} reads/s`,
      edge.read_p99_seconds === null ? null : `, 99 % in ${milliseconds(edge.read_p99_seconds)}`),
    h("div", { class: "days" }, h("b", {}, edge.hit_rate === null ? "–" : `${number(edge.hit_rate * 100, 1)} %`), h("span", { class: "small" }, "hits")),
  );
}

async function startScrub(signal) {
  const isWanted = await ask({
    title: "Read all disks again?",
    plan: [
      { icon: "ring", text: "Each node ends its present pass, then reads every byte once more, at its usual pace." },
      { icon: "tick", text: "A copy that is not as it was written goes to the quarantine, and is replaced from another mirror." },
      { icon: "tick", text: "Photos are served as before." },
    ],
    warning: null,
    act: "Scrub all disks",
    keep: "Leave it to the schedule",
  });
  if (!isWanted) return;
  const found = await post("/scrubs", { signal });
  const silent = Object.keys(found.unreachable);
  toast(`${count(found.nodes.length, "node")} will read all files again.${silent.length ? ` ${silent.join(", ")} did not answer.` : ""}`);
}
