// The page Audit: acts by day, caller, and photo; verification of the log; export.

import { get } from "./api.js";
import { badge, frames, heading, notice, table, whileLoading } from "./components.js";
import { count, h, icon, time } from "./dom.js";
import { toast } from "./dialog.js";

export const title = "Audit";
export const scope = "audit";

const SHOWN = 100;
const EXPORTED = 10_000;
const ACTS = ["delete", "revoke", "undelete", "repair", "scrub", "regenerate", "offload", "recall", "sign-in", "refuse", "audit"];
const REFERENCE = /^\d+\/[0-9a-z]{16}\/[0-9a-z]{6}$/;

export async function render({ main, query, go, signal }) {
  const isUploads = query.get("kind") === "uploads";
  const form = filters(query, isUploads, (fields) => go(`/console/audit?${fields}`));
  const results = h("div", {});
  main.append(
    heading(title, "What callers changed, and what was refused. Days are in UTC.",
      h("button", { class: "plain", onclick: () => exportAll(query, signal) }, "Export JSON"),
      h("button", { class: "plain", onclick: () => verify(query, findings, signal) }, "Verify these days")),
    h("p", { class: "buttons" }, h("span", { class: "segments" },
      segment("Acts", !isUploads, query, "acts"), segment("Uploads", isUploads, query, "uploads"))),
    form,
  );
  const findings = h("div", { "aria-live": "polite" });
  main.append(findings, results);
  const page = await whileLoading(results, get("/audit", { query: asked(query, SHOWN), signal }), () => frames("lines", 8));
  results.replaceChildren(...view(page, query));
}

function segment(text, isHere, query, kind) {
  const fields = new URLSearchParams(query);
  fields.set("kind", kind);
  fields.delete("act");
  return h("a", { href: `/console/audit?${fields}`, "aria-current": isHere ? "true" : null }, text);
}

// The query of GET /audit from the address of the page, without empty fields.
export function asked(query, limit) {
  const fields = Object.fromEntries([...query].filter(([, value]) => value));
  return { ...fields, limit };
}

function filters(query, isUploads, show) {
  const today = new Date().toISOString().slice(0, 10);
  const field = (name, label, attributes) => h("label", {}, label, h("input", { name, value: query.get(name) ?? "", ...attributes }));
  const acts = h("label", {}, "Act", h("select", { name: "act" }, h("option", { value: "" }, "All acts"),
    ACTS.map((act) => h("option", { value: act, selected: query.get("act") === act }, act))));
  const form = h(
    "form", { class: "filters", "aria-label": "Filters" },
    field("since", "First day", { type: "date", max: today, value: query.get("since") ?? today }),
    field("until", "Last day", { type: "date", max: today, value: query.get("until") ?? today }),
    isUploads ? null : acts,
    field("caller", "Token or application", { type: "text", autocomplete: "off", spellcheck: "false" }),
    field("photo", "Photo", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "VOLUME/PHOTO" }),
    h("div", { class: "buttons" }, h("button", { class: "primary" }, "Show")),
  );
  form.onsubmit = (event) => {
    event.preventDefault();
    const fields = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
    if (isUploads) fields.set("kind", "uploads");
    show(fields);
  };
  return form;
}

function view(page, query) {
  const silent = Object.entries(page.unreachable);
  const shown = silent.length ? [notice("warn", "Not every node answered.", `${silent.map(([node]) => node).join(", ")} did not send its copy: entries that only it has are missing.`)] : [];
  if (!page.entries.length) {
    const isFiltered = ["act", "caller", "photo"].some((name) => query.get(name));
    return [...shown, h("p", { class: "empty-line" }, isFiltered ? "No entry of these days matches. Choose other days, or fewer filters." : "Nothing was changed on these days.")];
  }
  const columns = [{ name: "Time" }, { name: "Act" }, { name: "Target" }, { name: "Result" }, { name: "Token" }, { name: "Application", isMinor: true }, { name: "Request", isMinor: true }];
  const rows = page.entries.map((entry) => [
    time(Date.parse(entry.time) / 1000),
    h("b", {}, entry.act),
    targetOf(entry),
    resultOf(entry),
    entry.caller ? h("span", { class: "mono" }, entry.caller) : entry.act === "audit" ? "–" : "unknown",
    entry.application || "–",
    h("span", { class: "mono" }, entry.request.slice(0, 8) || "–"),
  ]);
  const element = table("Entries of the audit log", columns, rows);
  element.classList.add("blocks");
  const end = page.is_complete ? count(page.entries.length, "entry", "entries") : `the latest ${page.entries.length} entries; older ones match as well`;
  return [...shown, element, h("p", { class: "small end" }, `${end}, read at ${time(Date.now() / 1000)}`)];
}

function targetOf({ target }) {
  return REFERENCE.test(target) ? h("a", { href: `/console/photo/${target}`, class: "mono" }, target) : h("span", { class: "mono" }, target);
}

function resultOf({ act, result, count: times }) {
  const text = times > 1 ? `${result}, ${times} times` : result;
  if (act === "audit") return badge("behind", text);
  return badge(result === "done" ? "done" : act === "refuse" ? "unknown" : "failed", text);
}

async function verify(query, place, signal) {
  place.replaceChildren(h("p", { class: "line" }, icon("ring"), " Reading all copies of these days…"));
  try {
    const page = await get("/audit", { query: { ...asked(query, 1), verify: 1 }, signal });
    place.replaceChildren(...findingsOf(page));
  } catch (problem) {
    if (!signal.aborted) place.replaceChildren(notice("bad", problem.title, problem.detail));
  }
}

function findingsOf({ findings, lines, unreachable }) {
  const silent = Object.keys(unreachable);
  const copies = silent.length ? ` ${silent.join(", ")} did not answer, so its copy was not compared.` : "";
  if (!findings.length) {
    return [h("p", { class: "notice well" }, badge("done", `${count(lines, "line")} verified: none was removed, changed, or reordered.${copies}`))];
  }
  return [
    notice("bad", `${count(findings.length, "line")} of the log is not as it was written.`, `${count(lines, "line")} were compared.${copies}`),
    h("ul", { class: "paths" }, findings.map((finding) => h("li", {}, h("span", {}, badge("corrupt", finding.fault), " ", finding.text), h("span", {})))),
  ];
}

async function exportAll(query, signal) {
  const page = await get("/audit", { query: asked(query, EXPORTED), signal });
  const file = new Blob([JSON.stringify(page, null, 1)], { type: "application/json" });
  const link = h("a", { href: URL.createObjectURL(file), download: `audit-${page.since}-${page.until}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  toast(`${count(page.entries.length, "entry", "entries")} exported.`);
}
