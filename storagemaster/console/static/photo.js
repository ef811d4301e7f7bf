// The page of one photo: its sizes and their URLs, its copies, its history, and acts on it.

import { deletePhotos, regenerate, revoke, undelete } from "./acts.js";
import { get } from "./api.js";
import { badge, frames, heading, notice, table, whileLoading } from "./components.js";
import { copy, menuButton } from "./dialog.js";
import { bytes, count, h, icon, number, time, vary } from "./dom.js";
import { copiesOf, sentenceOf } from "./explain.js";
import { dimensionsOf, picture } from "./grid.js";
import { every } from "./live.js";

export const title = "Photo";
export const scope = "read";

const SHOWN_PIXELS = 560;
const LOGGED_DAYS = 30;
const LOOK_MILLISECONDS = 3000;
const ACTS = { delete: "Deleted", revoke: "Revoked", undelete: "Undeleted", regenerate: "Sizes made again", upload: "Uploaded" };
const LIFETIMES = [["For ever", ""], ["For 1 hour", "1h"], ["For 1 day", "1d"]];

export async function render(context) {
  const { main, may, parts, signal } = context;
  const [volume, photo, version] = parts;
  const reference = parts.join("/");
  const path = `/photos/${reference}`;
  const [status, explanation, sizes, log] = await whileLoading(main, Promise.all([
    get(path, { signal }).catch((problem) => deletedOr(problem, { volume, photo, version })),
    may("admin") ? get(`/explanations/${volume}/${photo}`, { signal }) : null,
    get("/capabilities", { signal }).then((all) => all.sizes),
    may("audit") ? logOf(volume, photo, signal) : [],
  ]), () => [h("h1", { class: "hidden" }, title), frames("photos-frames", 2)]);
  main.replaceChildren();
  const rows = explanation ? copiesOf(explanation, version) : [];
  const isGone = status.state === "gone";
  const show = h("section", { class: "show" });
  if (isGone) show.append(notice("warn", "This photo was deleted.", "Its files are in the trash for some days. An undelete stores them as a new photo."));
  else if (status.state === "failed") show.append(notice("bad", "The sizes could not be made.", `${status.reason}. The original is kept.`));
  if (!isGone) show.append(shown(status, photo));
  show.append(sentence(rows, status, explanation));
  const about = h("div", { class: "about" });
  if (explanation) about.append(copies(rows, explanation), history(explanation, status, version, log));
  else about.append(h("section", {}, h("h2", {}, "Copies and history"), h("p", { class: "line" }, "Your token does not show them: they need the scope admin.")));
  main.append(
    head(volume, reference, status, path, signal),
    h("div", { class: "columns" }, show, about,
      h("div", { class: "sizes-part" }, isGone ? null : sizesTable(status, sizes, path, signal), acts(context, status))),
  );
  if (status.state === "pending") follow(context, path);
  for (const name of ["ready", "failed", "deleted"]) {
    context.on(name, (event) => {
      const isSame = event.photo === photo && ["", version].includes(event.version);
      if (isSame && !document.querySelector("dialog")) context.again();
    });
  }
}

// Shows the sizes once they are made, also if their event came before this page listened.
function follow({ signal, again }, path) {
  every(LOOK_MILLISECONDS, async () => {
    const { state } = await get(path, { signal });
    if (state !== "pending" && !document.querySelector("dialog")) again();
  }, signal);
}

// The audit log of a photo; nothing where the token may not read it, as one for some volumes.
async function logOf(volume, photo, signal) {
  const first = new Date(Date.now() - LOGGED_DAYS * 86_400_000).toISOString().slice(0, 10);
  const query = { photo: `${volume}/${photo}`, since: first };
  const pages = await Promise.all(["acts", "uploads"].map((kind) =>
    get("/audit", { query: { ...query, kind }, signal }).catch(() => ({ entries: [] }))));
  return pages.flatMap((page) => page.entries);
}

function deletedOr(problem, { volume, photo, version }) {
  if (problem.status !== 410) throw problem;
  return { volume: Number(volume), photo, version, state: "gone", reason: problem.detail, info: null, urls: {} };
}

function head(volume, reference, status, path, signal) {
  const all = async () => copy(Object.values((await get(path, { signal })).urls).join("\n"), count(Object.keys(status.urls).length, "URL"));
  const made = heading("", null,
    h("button", { class: "plain", onclick: () => copy(reference, "Reference") }, icon("copy"), "Copy reference"),
    Object.keys(status.urls).length ? h("button", { class: "primary", onclick: all }, icon("copy"), "Copy all URLs") : null);
  made.firstChild.replaceChildren(
    h("p", { class: "crumbs" }, h("a", { href: "/console/photos" }, "Photos"), " / ", h("a", { href: `/console/photos?volume=${volume}` }, `volume ${volume}`)),
    h("h1", { class: "mono reference" }, reference));
  return made;
}

function shown(status, photo) {
  if (status.state !== "ready") {
    const box = picture(status, SHOWN_PIXELS, "");
    return h("div", {}, box, h("p", { class: "small" }, status.state === "pending" ? badge("pending", "The sizes are being made; this page follows.") : null));
  }
  const { width, height } = dimensionsOf(status);
  return vary(picture(status, SHOWN_PIXELS, `Photo ${photo}`), "--ratio", String(width / height));
}

function sentence(rows, status, explanation) {
  if (!explanation) return h("p", { class: "sentence" }, status.state === "ready" ? "Its sizes are made." : status.reason);
  const { strong, text } = sentenceOf(rows, status);
  return h("p", { class: "sentence" }, h("strong", {}, strong), " ", text);
}

function copies(rows, explanation) {
  const words = { hint: "hint", gone: "deleted", corrupt: "differs", equal: "equal", down: "down", missing: "missing" };
  const made = table("Copies of the original", [{ name: "Colo" }, { name: "Node" }, { name: "Digest" }, { name: "Bytes", isNumber: true, isMinor: true }, { name: "State" }],
    rows.map((row) => [
      h("strong", {}, row.colo),
      h("span", {}, row.node, row.note ? h("span", { class: "line" }, ` ${row.note}`) : null),
      h("code", { title: row.digest || null }, row.digest ? `${row.digest.slice(0, 4)} ${row.digest.slice(4, 8)} … ${row.digest.slice(-4)}` : "–"),
      number(row.bytes),
      badge(row.state === "missing" ? "behind" : row.state, words[row.state]),
    ]));
  const sized = explanation.copies.filter((each) => each.location === "live").length;
  return h("section", {}, h("div", { class: "section-head" }, h("h2", {}, "Copies of the original"), h("p", { class: "small" }, `SHA-256, read at ${time(Date.now() / 1000)}`)),
    made, h("p", { class: "small" }, `${count(sized, "file")} of this photo, with its sizes, on all nodes together.`));
}

function history(explanation, status, version, log) {
  // A version without files has no time; the log says what became of it.
  const dated = explanation.versions.filter((each) => each.stored_seconds !== null || !log.length);
  const items = dated.map((each) => {
    const words = { ready: "all sizes made", pending: "its sizes are being made", failed: `no sizes: ${each.reason}`, gone: "revoked or deleted; its URLs answer 410" }[each.state] ?? each.reason;
    return { at: each.stored_seconds, text: [`Version `, h("code", {}, each.version), each.version === version ? " (this one): " : ": ", words] };
  });
  const trash = new Set(explanation.copies.filter((each) => each.location === "trash").map((each) => each.path.split("/")[1]));
  for (const day of trash) items.unshift({ at: null, day, text: ["Files went to the trash"] });
  for (const each of log) {
    const result = each.result === "done" ? "" : `: ${each.result}`;
    items.push({ at: Date.parse(each.time) / 1000, text: [`${ACTS[each.act] ?? each.act}${result}, by `, h("code", {}, each.caller), ` of ${each.application}`] });
  }
  items.sort((one, other) => (other.at ?? Infinity) - (one.at ?? Infinity));
  if (status.info?.captured) items.push({ at: null, day: status.info.captured.replace("T", " "), text: ["Taken", status.info.camera ? ` with ${status.info.camera}` : ""] });
  return h("section", {}, h("h2", {}, "History"),
    h("ul", { class: "timeline" }, items.map((item) => h("li", {}, h("time", {}, item.day ?? time(item.at)), h("span", {}, item.text)))));
}

function sizesTable(status, sizes, path, signal) {
  const made = (status.info?.variants ?? []).filter((each) => each.ext === "jpg");
  const original = status.info?.original;
  const formats = [...new Set((status.info?.variants ?? []).map((each) => each.ext))].map((each) => ({ jpg: "JPEG", webp: "WebP", avif: "AVIF" })[each] ?? each);
  const rows = [...made].sort((one, other) => other.width * other.height - one.width * one.height).map((each) => ({ ...each, letter: each.size }));
  if (status.urls.o || original) rows.unshift({ letter: "o", width: original?.width, height: original?.height, bytes: original?.bytes });
  const classOf = (letter) => sizes.find((each) => each.letter === letter)?.size_class ?? "original";
  const nameOf = (letter) => {
    const size = sizes.find((each) => each.letter === letter);
    return !size ? "Original" : size.square ? `Square ${size.edge_pixels}` : `Up to ${number(size.edge_pixels)}`;
  };
  const menu = ({ letter }) => {
    if (!status.urls[letter]) return h("span", { class: "small" }, letter === "o" ? "needs the scope original" : "–");
    const others = rows.filter((each) => each.letter !== letter && classOf(each.letter) === classOf(letter)).map((each) => each.letter);
    const note = others.length ? `Also opens ${others.join(", ")}: all are of class ${classOf(letter)}.` : `It opens this size only: class ${classOf(letter)}.`;
    return menuButton("Copy URL", `Copy URL of size ${letter}`, () => LIFETIMES.map(([text, expires]) => ({
      text,
      side: expires ? `to ${endOf(expires)}` : null,
      choose: async () => {
        const fresh = await get(path, { query: expires ? { expires } : undefined, signal });
        await copy(fresh.urls[letter], `URL of size ${letter}`);
      },
    })), note);
  };
  return h("section", {},
    h("div", { class: "section-head" }, h("h2", {}, "Sizes"), h("p", { class: "small" }, [formats.join(", "), status.info ? `recipe ${status.info.recipe}` : null].filter(Boolean).join(", "))),
    rows.length
      ? table("Sizes", [{ name: "Size" }, { name: "Pixels", isNumber: true }, { name: "Bytes", isNumber: true, isMinor: true }, { name: "" }], rows.map((each) => [
        h("span", {}, h("code", { class: "letter" }, each.letter), h("span", { class: "line" }, nameOf(each.letter))),
        each.width ? `${each.width} × ${each.height}` : "–",
        bytes(each.bytes),
        menu(each),
      ]))
      : h("p", { class: "line" }, status.position ? `No sizes yet: ${count(status.position, "photo")} before this one.` : "No sizes yet."));
}

function endOf(expires) {
  const at = new Date(Date.now() + (expires === "1h" ? 3600 : 86400) * 1000);
  const clock = at.toTimeString().slice(0, 5);
  return expires === "1h" ? clock : `${at.toLocaleDateString("en-GB", { weekday: "short" })} ${clock}`;
}

function acts(context, status) {
  const { may, go } = context;
  const follow = async (reference) => reference && go(`/console/photo/${await reference}`);
  const act = (name, text, button) => h("div", { class: "act" }, h("div", {}, h("h3", {}, name), h("p", {}, text)), button);
  const run = (work) => async () => {
    try {
      await work();
    } catch (problem) {
      context.main.prepend(notice("bad", problem.title ?? "That failed.", problem.detail ?? problem.message));
      scrollTo(0, 0);
    }
  };
  const rows = [];
  if (status.state === "gone") {
    if (may("delete")) rows.push(act("Undelete photo", "Stores the original again, as a new photo.", h("button", { class: "plain", onclick: run(async () => follow(await undelete(status.volume, status.photo))) }, "Undelete…")));
  } else {
    if (may("admin")) rows.push(act("Make sizes again", "A worker makes all sizes from the original.", h("button", { class: "plain", onclick: run(async () => follow(await regenerate(status))) }, "Make again…")));
    if (may("delete")) {
      rows.push(act("Revoke URLs", "Every URL given out answers 410. A new version is made; you get its reference.", h("button", { class: "plain", onclick: run(async () => follow(await revoke(status))) }, "Revoke…")));
      rows.push(act("Delete photo", "Gone everywhere now. It can be undeleted until its trash is emptied.", h("button", { class: "danger", onclick: run(async () => (await deletePhotos([status], context)).length && context.again()) }, "Delete…")));
    }
  }
  const head = status.state === "gone" ? "Undelete" : "Change this photo";
  return h("section", {}, h("h2", {}, head), rows.length ? rows : h("p", { class: "line" }, "Your token opens no act on photos: they need the scopes delete and admin."));
}
