// What to do about each kind of alert. Pure, but for the dialog that shows it.

import { h } from "./dom.js";
import { showEntry } from "./dialog.js";

// `section` is the heading in docs/runbook.md. The first pattern that an alert matches counts.
const ENTRIES = [
  { pattern: /^colo .* is down/, section: "ColoDown", means: "No node of this colo answers. Photos are served from the other colo, and uploads are stored there; nothing is lost.", steps: ["Check the network and power of the site.", "Start its nodes: glassplate colo start COLO, or their service.", "They get what they missed before they serve photos again."] },
  { pattern: /^node .* is down/, section: "NodeDown", means: "The node does not answer. Its volumes have one mirror left; another node stores what is meant for it.", steps: ["Check the machine and its network.", "Start the process: glassplate node start NODE, or its service.", "If the disk is lost: glassplate restore NODE."] },
  { pattern: /^edge .* is down/, section: "EdgeDown", means: "Viewers of this edge get no photos. Deletes are purged there when it is back, before it serves anything.", steps: ["Start nginx or Varnish.", "Send viewers to another edge meanwhile."] },
  { pattern: /takes no writes/, section: "DiskSuspect", means: "The disk failed a write, or is not the disk that it was, so the node takes no more until a restart. Its photos are still served.", steps: ["Check that the disk is mounted.", "Look at the kernel's log and SMART for this disk.", "Replace it if it is broken, then: glassplate restore NODE.", "If it is sound, restart the node."] },
  { pattern: /takes no new photos/, section: "NoNewPhotos", means: "The disk is filled up to its reserve. Sizes and deletes still fit.", steps: ["Add a node, or move volumes to a larger disk.", "Offload volumes to a cold node."] },
  { pattern: /clock of/, section: "ClockWrong", means: "Signed requests fail at a difference of 300 s, and URLs end at the wrong time.", steps: ["Synchronize the clocks of all machines, for example with chrony."] },
  { pattern: /could not be repaired/, section: "RepairFailed", means: "Some files have one copy less than they should.", steps: ["See Work for the files with their reasons.", "Fix the cause, then repair the volume."] },
  { pattern: /different originals/, section: "Conflicts", means: "Two uploads with one key were stored on both sides of a fault.", steps: ["Start all nodes: it is settled once every node is up."] },
  { pattern: /audit log/, section: "AuditLocalOnly", means: "Entries of the audit log are not in two colos yet. Acts happen nevertheless.", steps: ["Start nodes in two colos with free space. The log is completed then."] },
  { pattern: /queue is unavailable/, section: "QueueDown", means: "No sizes are made. Uploads are stored, and no job is lost.", steps: ["Start Valkey. Lost jobs are found and enqueued again."] },
  { pattern: /no worker is alive/, section: "NoWorker", means: "No sizes are made. Uploads are stored.", steps: ["Start image workers."] },
  { pattern: /has waited/, section: "OldestJob", means: "Photos wait long for their sizes.", steps: ["Start more image workers.", "See Work for failed photos."] },
  { pattern: /volumes that the volume map/, section: "MapMismatch", means: "The node's volumes are not those of the map.", steps: ["See “Change the mirrors of a volume” in docs/deploy.md."] },
  { pattern: /than this storagemaster, so it can/, section: "ProcessDisagrees", means: "The process has another volume map, or other keys for photo URLs.", steps: ["Give all processes the same cluster.toml and keys.", "Restart those that are behind, and render their edges again."] },
];
const OTHER = { section: "Other alerts", means: "The alert itself says what happened.", steps: ["Look at the logs of the storagemaster."] };

export const entryOf = (alert) => ENTRIES.find(({ pattern }) => pattern.test(alert)) ?? OTHER;

export function runbookButton(alert) {
  const { section, means, steps } = entryOf(alert);
  const open = () => showEntry(section, [
    h("p", {}, means),
    h("ol", { class: "steps" }, steps.map((step) => h("li", {}, step))),
    h("p", { class: "small" }, "More in docs/runbook.md, section ", h("code", {}, section), "."),
  ]);
  return h("button", { class: "plain", onclick: open, "aria-label": `Open runbook: ${section}` }, "Open runbook");
}
