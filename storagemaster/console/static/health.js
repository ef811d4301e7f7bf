// The health pill: the worst thing of the cluster by its name, or "All well". Pure, but for `pill`.

import { h, icon, time } from "./dom.js";
import { latest } from "./stream.js";

const STALE_SECONDS = 7;

// Returns the troubles of a status document, the worst first: {name, isBad}.
export function troublesOf(status) {
  const troubles = [];
  const colos = Map.groupBy
    ? Map.groupBy(status.nodes, (node) => node.colo)
    : group(status.nodes);
  for (const [colo, nodes] of colos) {
    const down = nodes.filter((node) => !node.up);
    if (down.length === nodes.length) troubles.push({ name: `${colo} down`, isBad: true });
    else for (const node of down) troubles.push({ name: `${node.id} down`, isBad: true });
  }
  const broken = status.nodes.filter((node) => node.up && node.reason);
  for (const node of broken) troubles.push({ name: `${node.id} takes no writes`, isBad: true });
  for (const edge of status.edges.filter((each) => !each.up)) {
    troubles.push({ name: `${edge.id} down`, isBad: true });
  }
  if (status.queues === null) troubles.push({ name: "queue down", isBad: true });
  if (status.workers_alive === 0) troubles.push({ name: "no workers", isBad: true });
  const others = status.alerts.length - troubles.filter(({ name }) => /queue|workers|writes/.test(name)).length;
  if (others > 0) troubles.push({ name: others === 1 ? "1 alert" : `${others} alerts`, isBad: false });
  return troubles;
}

function group(nodes) {
  const colos = new Map();
  for (const node of nodes) colos.set(node.colo, [...(colos.get(node.colo) ?? []), node]);
  return colos;
}

// The colos whose nodes are all down.
export function colosDown(status) {
  return [...group(status.nodes)]
    .filter(([, nodes]) => nodes.every((node) => !node.up))
    .map(([colo]) => colo);
}

export function isStale() {
  return latest.status !== null && Date.now() / 1000 - latest.arrived > STALE_SECONDS;
}

export function pill(status) {
  if (isStale()) {
    return pillOf("warn", "clock", `no news since ${time(latest.arrived)}`);
  }
  const [worst, ...others] = troublesOf(status);
  if (!worst) return pillOf("", "tick", "All well");
  const more = others.length ? ` +${others.length}` : "";
  return pillOf(worst.isBad ? "bad" : "warn", worst.isBad ? "octagon" : "triangle", worst.name + more);
}

function pillOf(kind, shape, text) {
  return h("a", { class: `pill ${kind}`, href: "/console/cluster" }, icon(shape), h("span", {}, text));
}
