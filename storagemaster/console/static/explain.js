// What the nodes say of one photo, as rows and as one sentence. Pure.

// The copies of the original of a version: {colo, node, digest, bytes, state, note}, a row for each
// mirror of the volume and for each other node with a copy.
export function copiesOf(explanation, version) {
  const name = new RegExp(`${explanation.photo}_${version}_o\\.`);
  const originals = explanation.copies.filter((each) => name.test(each.path));
  const digests = new Set(originals.filter((each) => each.location === "live" && each.sha256).map((each) => each.sha256));
  const rowOf = (copy) => ({
    colo: copy.colo, node: copy.node, digest: copy.sha256, bytes: copy.bytes,
    state: { hint: "hint", trash: "gone", quarantine: "corrupt" }[copy.location] ?? (digests.size > 1 ? "corrupt" : "equal"),
    note: { hint: `for ${copy.hint_for}`, trash: "in the trash", quarantine: "in quarantine" }[copy.location] ?? "",
  });
  const rows = originals.map(rowOf);
  for (const { node, colo } of explanation.mirrors) {
    if (rows.some((row) => row.node === node && row.state !== "hint")) continue;
    const isSilent = node in explanation.unreachable;
    rows.push({ colo, node, digest: "", bytes: null, state: isSilent ? "down" : "missing", note: "" });
  }
  return rows.sort((one, other) => `${one.colo} ${one.node}`.localeCompare(`${other.colo} ${other.node}`));
}

// {strong, text}: whether the photo is safe, and where its original is.
export function sentenceOf(rows, status) {
  const at = (states) => rows.filter((row) => states.includes(row.state));
  const live = at(["equal"]);
  const hints = at(["hint"]);
  const colos = new Set([...live, ...hints].map((row) => row.colo));
  const places = live.map((row) => `${row.node} in ${row.colo}`).join(" and ");
  const sizes = sizesWords(status);
  if (status.state === "gone") return { strong: "Deleted.", text: "No URL of this version works, at any edge." };
  if (at(["corrupt"]).length && live.length === 0) {
    return { strong: "The copies differ.", text: `Repair keeps the one with the recorded digest. ${sizes}` };
  }
  if (colos.size >= 2 && !hints.length) return { strong: "Safe.", text: `The original is on ${places}, with equal digests. ${sizes}` };
  if (hints.length) {
    const kept = hints.map((row) => `${row.node}, which keeps it ${row.note} until that is back`).join(", and on ");
    return { strong: "Safe, with one copy out of place.", text: `The original is on ${places || "no mirror yet"}, and on ${kept}. ${sizes}` };
  }
  if (live.length) {
    const down = at(["down"]).map((row) => row.node).join(", ");
    return { strong: "One colo answers.", text: `The original is on ${places}.${down ? ` ${down} did not answer, so its copy is unknown.` : " Repair makes the second copy."} ${sizes}` };
  }
  return { strong: "Unknown.", text: "No node that answered has the original. No photo counts as lost while a mirror is down." };
}

function sizesWords(status) {
  if (status.state === "ready") return `All ${new Set(status.info.variants.map((each) => each.size)).size} sizes are made.`;
  if (status.state === "failed") return `It has no sizes: ${status.reason}.`;
  return "Its sizes are being made.";
}
