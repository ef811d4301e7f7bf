// The page Volumes: a row a volume, a cell a colo; a chosen volume shows its diff and its acts.

import { get, post, send } from "./api.js";
import { badge, frames, heading, loadPage, problemNotice, whileLoading } from "./components.js";
import { ask, toast } from "./dialog.js";
import { bytes, count, h, icon, number, time } from "./dom.js";
import { every, showAge, update } from "./live.js";

export const title = "Volumes";
export const scope = "status";

const STEPS_SHOWN = 3;
const RANKS = { down: 0, failed: 1, unknown: 2, fenced: 3, behind: 4, offloaded: 5, equal: 6 };

export async function render(context) {
  const { main, on, signal, parts, go } = context;
  const line = h("p", { class: "line" });
  const head = heading(title);
  head.firstChild.append(line);
  const rows = h("div", {});
  const panel = h("div", { class: "panel-place" });
  const split = h("div", { class: "split" }, rows, panel);
  const chosen = Number(parts[0]) || null;
  const draw = (status) => {
    const volumes = volumesOf(status);
    line.textContent = sentenceOf(volumes);
    update(rows, volumes, () => [tableOf(volumes, status, chosen)]);
  };
  const status = await loadPage(main, title, get("/status", { signal }));
  main.append(head, split);
  draw(status);
  on("status", draw);
  every(1000, () => showAge(main, line), signal);
  if (!chosen) return;
  const volume = status.volumes.find((each) => each.number === chosen);
  if (!volume) return go("/console/volumes");
  split.classList.add("open");
  if (matchMedia("(max-width: 999px)").matches) panel.scrollIntoView();
  await openPanel(panel, volume, context);
}

// Pure: the volumes of a status document with the state of each mirror, the worst first.
export function volumesOf(status) {
  const nodes = new Map(status.nodes.map((node) => [node.id, node]));
  const waits = new Map(status.waits.flatMap((wait) => wait.volumes.map((volume) => [volume, wait.for])));
  return status.volumes
    .map((volume) => ({
      number: volume.number,
      state: volume.state,
      photos: volume.photos,
      bytes: volume.bytes,
      mirrors: volume.mirrors.map((id) => ({ id, colo: nodes.get(id)?.colo ?? "", ...stateOf(volume, nodes.get(id), waits) })),
    }))
    .sort((a, b) => worst(a) - worst(b) || a.number - b.number);
}

const worst = (volume) => Math.min(...volume.mirrors.map((each) => RANKS[each.state]));

function stateOf(volume, node, waits) {
  const isCold = volume.cold_nodes.includes(node.id);
  if (!node.up) return { state: "down", word: "down", detail: "" };
  if (node.reason) return { state: "failed", word: "no writes", detail: "" };
  if (!volume.mirrors_readable.includes(node.id)) return { state: "unknown", word: "not readable", detail: "edges cannot read from it" };
  if (node.fenced_volumes.includes(volume.number)) return { state: "fenced", word: "fenced", detail: "until its deletes are checked" };
  if (waits.has(volume.number)) return { state: "behind", word: "not compared", detail: waits.get(volume.number) };
  if (volume.cold_nodes.length && !isCold) return { state: "offloaded", word: "offloaded", detail: `large sizes on ${volume.cold_nodes.join(", ")} only` };
  return { state: "equal", word: isCold ? "equal, cold node" : "equal", detail: "" };
}

function sentenceOf(volumes) {
  const states = new Map();
  for (const volume of volumes) {
    const [first] = volume.mirrors.slice().sort((a, b) => RANKS[a.state] - RANKS[b.state]);
    const word = first.word.split(",")[0];
    states.set(word, (states.get(word) ?? 0) + 1);
  }
  const photos = volumes.some((each) => each.photos === null) ? "" : `, ${count(volumes.reduce((sum, each) => sum + each.photos, 0), "photo")}`;
  return `${count(volumes.length, "volume")}${photos}: ${[...states].map(([word, n]) => `${number(n)} ${word}`).join(", ")}.`;
}

function tableOf(volumes, status, chosen) {
  const colos = [...new Set(status.nodes.map((node) => node.colo))].sort();
  return h(
    "table", { class: "volumes blocks" },
    h("caption", { class: "hidden" }, "Volumes and their mirrors"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Volume"), ["Photos", "Bytes"].map((name) => h("th", { scope: "col", class: "number" }, name)),
      colos.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, volumes.map((volume) => h(
      "tr", { "aria-selected": volume.number === chosen ? "true" : null },
      h("td", { "data-name": "" }, h("a", { href: volume.number === chosen ? "/console/volumes" : `/console/volumes/${volume.number}`, "aria-current": volume.number === chosen ? "true" : null },
        h("b", {}, `Volume ${volume.number}`)), volume.state === "closed" && h("div", { class: "small" }, "takes no new photos")),
      h("td", { "data-name": "Photos", class: "number" }, number(volume.photos)), h("td", { "data-name": "Bytes", class: "number" }, bytes(volume.bytes)),
      colos.map((colo) => h("td", { "data-name": colo }, h("div", {}, volume.mirrors.filter((each) => each.colo === colo).map(mirrorCell)))),
    ))),
  );
}

function mirrorCell({ id, state, word, detail }) {
  return h("div", { class: "mirror" }, h("b", {}, id), badge(state, word), detail && h("span", { class: "small" }, detail));
}

async function openPanel(place, volume, context) {
  const { may, signal, go } = context;
  const close = h("button", { class: "quiet", "aria-label": "Close", onclick: () => go("/console/volumes") }, icon("cross"));
  const head = h("div", { class: "section-head" }, h("h2", {}, `Volume ${volume.number}: ${volume.mirrors.join(" and ")}`), close);
  const body = h("div", { class: "panel" });
  place.replaceChildren(h("section", { class: "card panel" }, head, body));
  if (!may("admin")) {
    body.append(h("p", { class: "empty-line" }, "Comparing mirrors, and repairing them, needs a token with the scope ", h("code", {}, "admin"), "."));
    return;
  }
  const compare = async () => {
    try {
      const plan = await whileLoading(body, get(`/repairs/${volume.number}`, { signal }), () => frames("lines", 5));
      if (!signal.aborted) body.replaceChildren(...diffView(volume, plan, { ...context, compare }));
    } catch (problem) {
      if (!signal.aborted) body.replaceChildren(problemNotice(problem, compare));
    }
  };
  await compare();
}

// Pure: what a plan would do, as [label, value].
export function summaryOf(volume, plan) {
  const copies = plan.steps.filter((step) => step.bytes || step.source);
  const rows = volume.mirrors.map((node) => {
    const to = copies.filter((step) => step.node === node);
    const size = to.reduce((sum, step) => sum + step.bytes, 0);
    return [`Missing on ${node}`, plan.unreachable.includes(node) ? "–" : to.length ? `${count(to.length, "file")}, ${bytes(size)}` : "0"];
  });
  const gone = plan.steps.filter((step) => step.path.endsWith(".gone"));
  rows.push(["Deletes to bring", number(gone.length)]);
  const others = plan.steps.length - copies.filter((step) => volume.mirrors.includes(step.node)).length;
  if (others) rows.push(["Other steps", number(others)]);
  rows.push(["Different originals", number(plan.conflicts.length)]);
  return rows;
}

function diffView(volume, plan, context) {
  const { compare } = context;
  const paths = h("ul", { class: "paths mono" }, plan.steps.slice(0, STEPS_SHOWN).map(stepRow));
  const more = plan.steps.length > STEPS_SHOWN && h("button", { class: "link", onclick: () => {
    paths.replaceChildren(...plan.steps.map(stepRow));
    more.remove();
  } }, `${number(plan.steps.length - STEPS_SHOWN)} more`);
  return [
    h("p", { class: "line" }, `Compared at ${time(Date.now() / 1000)}, every name and digest. A plan: nothing is done yet.`),
    plan.unreachable.length && h("p", {}, badge("unknown", `${plan.unreachable.join(", ")} did not answer: what it misses is unknown.`)),
    h("dl", { class: "facts-list" }, summaryOf(volume, plan).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, value))))),
    plan.steps.length ? paths : plan.equal && h("p", {}, badge("equal", "All mirrors are equal.")),
    more,
    h("div", { class: "buttons" },
      plan.steps.length ? h("button", { class: "primary", onclick: () => repair(volume, plan, context) }, `Repair volume ${volume.number}…`) : null,
      h("button", { class: "quiet", onclick: compare }, icon("retry"), "Compare again")),
    tieringView(volume, context),
  ].filter(Boolean);
}

function stepRow(step) {
  return h("li", {}, h("span", {}, step.path), h("span", {}, step.bytes ? bytes(step.bytes) : ""),
    h("span", { class: "small" }, step.source ? `${step.action}, ${step.source} to ${step.node}` : `${step.action} on ${step.node}`));
}

async function repair(volume, plan, { compare, signal }) {
  const gone = plan.steps.filter((step) => step.path.endsWith(".gone")).length;
  const isWanted = await ask({
    title: `Repair volume ${volume.number}?`,
    plan: [
      { icon: "arrows", text: `${count(plan.steps.length, "step")}: ${bytes(plan.copy_bytes)} are copied between mirrors.` },
      { icon: "tick", text: "Each file is verified by its digest before it counts." },
      ...(plan.unreachable.length ? [{ icon: "clock", text: `${plan.unreachable.join(", ")} gets its files when it is back.` }] : []),
    ],
    warning: gone ? `${count(gone, "delete")} reach a mirror that missed them: those photos vanish from it. That cannot be undone.` : null,
    act: `Repair volume ${volume.number}`,
    keep: "Leave it",
  });
  if (!isWanted) return;
  const result = await post(`/repairs/${volume.number}`, { signal });
  const failed = result.failed.length ? `, ${count(result.failed.length, "step")} failed: see Work` : "";
  toast(`Volume ${volume.number} repaired: ${count(result.done, "step")} done, ${bytes(result.copied_bytes)} copied${failed}.`);
  await compare();
}

function tieringView(volume, context) {
  if (volume.cold_nodes.length) {
    return h("div", { class: "buttons" }, h("button", { class: "plain", onclick: () => recall(volume, context) }, "Recall large sizes…"));
  }
  const select = h("select", { id: "cold-node" }, volume.mirrors.map((id) => h("option", { value: id }, id)));
  return h(
    "div", { class: "tiering" },
    h("label", { for: "cold-node" }, "Move large sizes to one cold node"),
    select,
    h("button", { class: "plain", onclick: () => offload(volume, select.value, context) }, "Offload…"),
  );
}

async function offload(volume, to, { signal, again }) {
  const path = `/tiering/${volume.number}`;
  const { shards } = await get(path, { query: { to }, signal });
  const plans = [];
  for (const shard of shards) plans.push(await get(`${path}/${shard}`, { query: { to }, signal }));
  const sum = (name) => plans.reduce((total, plan) => total + plan[name], 0);
  const skipped = plans.flatMap((plan) => Object.values(plan.skipped)).length;
  const isWanted = await ask({
    title: `Offload volume ${volume.number} to ${to}?`,
    plan: [
      { icon: "arrows", text: `${count(sum("files"), "file")}: originals and large sizes, ${bytes(sum("bytes"))}.` },
      { icon: "tick", text: `${bytes(sum("copy_bytes"))} are copied and read back first; then ${bytes(sum("freed_bytes"))} are freed on other mirrors.` },
      { icon: "tick", text: "URLs do not change. Small sizes stay on every mirror." },
      ...(skipped ? [{ icon: "triangle", text: `${count(skipped, "file")} cannot be moved now and stay.` }] : []),
    ],
    warning: `Large sizes are then on ${to} only: one disk, or one bucket. Recall brings them back.`,
    act: `Offload volume ${volume.number}`,
    keep: "Keep all copies",
  });
  if (!isWanted) return;
  await post(path, { query: { to }, signal });
  let moved = 0;
  for (const shard of shards) moved += (await post(`${path}/${shard}`, { signal })).moved ?? 0;
  toast(`Volume ${volume.number} is offloaded: ${count(moved, "file")} moved to ${to}.`);
  again();
}

async function recall(volume, { signal, again }) {
  const plan = await get(`/repairs/${volume.number}`, { query: { after_recall: "1" }, signal });
  const isWanted = await ask({
    title: `Recall the large sizes of volume ${volume.number}?`,
    plan: [
      { icon: "arrows", text: `${bytes(plan.copy_bytes)} are copied from ${volume.cold_nodes.join(", ")} to the other mirrors.` },
      { icon: "tick", text: "The cold node keeps its copies. URLs do not change." },
    ],
    warning: null,
    act: `Recall volume ${volume.number}`,
    keep: "Leave it offloaded",
  });
  if (!isWanted) return;
  await (await send("DELETE", `/tiering/${volume.number}`, { signal })).json();
  const result = await post(`/repairs/${volume.number}`, { signal });
  toast(`Volume ${volume.number} is recalled: ${bytes(result.copied_bytes)} copied.`);
  again();
}
