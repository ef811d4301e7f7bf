// Acts on photos: each shows its plan first, and says what cannot be undone.

import { get, post, referenceOf, send } from "./api.js";
import { picture } from "./grid.js";
import { count, day, h } from "./dom.js";
import { ask, toast } from "./dialog.js";

const EXPLAINED_MAX = 12;
const SHOWN_MAX = 6;

// Deletes photos after a question; resolves to the references that are deleted.
export async function deletePhotos(statuses, { may, signal }) {
  const [files, limits] = await Promise.all([filesOf(statuses, { may, signal }), limitsOf(signal)]);
  const photos = count(statuses.length, "photo");
  const until = day(Date.now() / 1000 + limits.trash_days * 86400);
  const isWanted = await ask({
    title: statuses.length === 1 ? "Delete this photo?" : `Delete ${photos}?`,
    before: [h("div", { class: "thumbs" }, statuses.slice(0, SHOWN_MAX).map((each) => picture(each, 72, "")))],
    plan: [
      { icon: "cross", text: filesSentence(files, statuses.length) },
      { icon: "cross", text: "Every URL that was given out answers 410, at every edge." },
      { icon: "retry", text: `Undelete works until ${until}. After that the bytes are gone for good.` },
    ],
    warning: "An undeleted photo is a new one: the old reference and its URLs never work again.",
    act: `Delete ${photos}`,
    keep: statuses.length === 1 ? "Keep photo" : "Keep photos",
    typed: statuses.length > 1 ? statuses.length : null,
    isDoom: true,
  });
  if (!isWanted) return [];
  const gone = [];
  let pending = 0;
  for (const each of statuses) {
    const deletion = await (await send("DELETE", `/photos/${each.volume}/${each.photo}`)).json();
    pending += deletion.pending_mirrors.length + deletion.purge_pending.length;
    gone.push(referenceOf(each));
  }
  toast(`${photos} deleted.${pending ? " Nodes or edges that are down follow when they are back." : ""}`);
  return gone;
}

function filesSentence({ files, nodes, down }, photos) {
  if (files === null) return `${count(photos, "photo")} with all sizes and versions, from every node.`;
  const now = `${count(files, "file")} on ${nodes.join(", ")} go to the trash now`;
  return down.length ? `${now}; on ${down.join(", ")} when it is back.` : `${now}.`;
}

// The files that a delete would move, as the nodes list them; null without the scope `admin`.
async function filesOf(statuses, { may, signal }) {
  if (!may("admin") || statuses.length > EXPLAINED_MAX) return { files: null, nodes: [], down: [] };
  const explained = await Promise.all(
    statuses.map((each) => get(`/explanations/${each.volume}/${each.photo}`, { signal })));
  const live = explained.flatMap((each) => each.copies).filter((each) => each.location === "live" || each.location === "hint");
  const down = explained.flatMap((each) => Object.keys(each.unreachable));
  return {
    files: live.length,
    nodes: [...new Set(live.map((each) => each.node))].sort(),
    down: [...new Set(down)],
  };
}

let limits = null;

async function limitsOf(signal) {
  limits ??= (await get("/capabilities", { signal })).limits;
  return limits;
}

// Gives a photo a new version; resolves to its reference, or null.
export async function revoke(status) {
  const reference = referenceOf(status);
  const isWanted = await ask({
    title: "Revoke all URLs of this photo?",
    plan: [
      { icon: "cross", text: `Every URL of version ${status.version} answers 410, also those that never end.` },
      { icon: "retry", text: "The photo gets a new version with the same bytes. You get its reference." },
      { icon: "tick", text: "No bytes are lost, and no size is made again." },
    ],
    warning: "This cannot be undone. Applications that store the old reference must store the new one.",
    act: "Revoke URLs",
    keep: "Keep URLs",
    isDoom: true,
  });
  if (!isWanted) return null;
  const revocation = await post(`/photos/${reference}/revoke`);
  toast("All URLs are revoked; this is the new version.");
  return `${revocation.volume}/${revocation.photo}/${revocation.version}`;
}

// Stores a deleted photo as a new one; resolves to its reference, or null.
export async function undelete(volume, photo) {
  const isWanted = await ask({
    title: "Undelete this photo?",
    plan: [
      { icon: "tick", text: "The original is stored again, as a new photo with a new reference." },
      { icon: "ring", text: "Its sizes are made again." },
    ],
    warning: "The old reference and its URLs stay dead.",
    act: "Undelete photo",
    keep: "Leave it deleted",
  });
  if (!isWanted) return null;
  const receipt = await post(`/photos/${volume}/${photo}/undelete`);
  toast("The photo is back, as a new one.");
  return `${receipt.volume}/${receipt.photo}/${receipt.version}`;
}

// Makes the sizes of a photo again; resolves to the reference that gets them, or null.
export async function regenerate(status) {
  const reference = referenceOf(status);
  const isReady = status.state === "ready";
  const isWanted = await ask({
    title: "Make the sizes of this photo again?",
    plan: [
      { icon: "ring", text: "A worker makes all sizes again from the original, behind new uploads." },
      isReady
        ? { icon: "retry", text: "They belong to a new version; the present URLs work until it is ready." }
        : { icon: "tick", text: "The original and its URLs stay as they are." },
    ],
    warning: isReady ? "The URLs of the present version answer 410 then." : null,
    act: "Make sizes again",
    keep: "Keep sizes",
  });
  if (!isWanted) return null;
  const made = await post("/regenerations", { body: { photo: reference } });
  toast("The sizes are being made again.");
  return made.regenerated;
}
