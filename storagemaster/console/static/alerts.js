// The alerts of the cluster in words: what happened, and what it means for photos. Pure.

import { colosDown } from "./health.js";

// The alerts as [strong, text, kind, alert]: those of machines that are down come first.
export function alertsOf(status) {
  const down = colosDown(status);
  const found = down.map((colo) => {
    const alert = `colo ${colo} is down`;
    return [`${colo} is down.`, `${onlyOneMirror(status)} No photo is lost.`, "bad", alert];
  });
  for (const node of status.nodes.filter((each) => !each.up && !down.includes(each.colo))) {
    const text = `${node.reason ? `${sentence(node.reason)}.` : ""} ${onlyOneMirror(status)} No photo is lost; another node stores what is meant for it.`;
    found.push([`${node.id} in ${node.colo} is down.`, text.trim(), "bad", `node ${node.id} is down`]);
  }
  for (const edge of status.edges.filter((each) => !each.up)) {
    found.push([`${edge.id} in ${edge.colo} is down.`, "Its viewers get no photos; other edges serve them.", "bad", `edge ${edge.id} is down`]);
  }
  for (const node of status.nodes.filter((each) => each.up && each.reason)) {
    const text = `${sentence(node.reason)}. Photos on it are still served, and another node stores what is meant for it.`;
    found.push([`The disk of ${node.id} in ${node.colo} takes no writes.`, text, "bad", `node ${node.id} takes no writes`]);
  }
  for (const alert of status.alerts.filter((each) => !/^node \S+ takes no writes/.test(each))) {
    const [strong, ...others] = alert.split(": ");
    found.push([`${sentence(strong)}${others.length ? ":" : "."}`, others.length ? `${others.join(": ")}.` : "", "warn", alert]);
  }
  return found;
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1);

function onlyOneMirror(status) {
  const volumes = status.volumes.filter((each) => each.mirrors_up.length < each.mirrors.length);
  if (!volumes.length) return "All volumes have their mirrors.";
  if (volumes.length === status.volumes.length && volumes.length > 1) return `All ${volumes.length} volumes have one mirror less.`;
  const names = volumes.length > 8 ? `${volumes.length} volumes have` : `${namesOf(volumes.map((each) => each.number))} ${volumes.length === 1 ? "has" : "have"}`;
  return `${names} one mirror less.`;
}

function namesOf(numbers) {
  if (numbers.length === 1) return `Volume ${numbers[0]}`;
  return `Volumes ${numbers.slice(0, -1).join(", ")} and ${numbers[numbers.length - 1]}`;
}
