// A client of tus 1.0 (https://tus.io/protocols/resumable-upload) for one photo.
//
// The address of an upload is a signed permission to continue it at any storagemaster, so it is all
// that must be remembered. What was received before a connection broke stays received.

import { Problem, send } from "./api.js";

const CHUNK_BYTES = 4 * 1024 * 1024;
const PATIENCE_SECONDS = 30;
const FIRST_PAUSE_SECONDS = 0.5;
const VERSION = { "Tus-Resumable": "1.0.0" };

// Uploads a file; resolves to {reference, durability} once the photo is kept.
//   memory   {url, key, sha256}: read and written, so that the caller can store it
//   report   called with the bytes that are received so far, and with "committing" for the last ones
//   signal   aborts it; what was received stays received
// Throws a Problem. With isTemporary, the same call continues later.
export async function upload(file, memory, { report, remember, signal }) {
  let failingSince = null;
  let pause = FIRST_PAUSE_SECONDS;
  for (;;) {
    try {
      return await attempt(file, memory, {
        signal,
        remember,
        report(offset) {
          failingSince = null;
          pause = FIRST_PAUSE_SECONDS;
          report(offset);
        },
      });
    } catch (problem) {
      if (!(problem instanceof Problem) || !problem.isTemporary) throw problem;
      failingSince ??= Date.now();
      if (Date.now() - failingSince > PATIENCE_SECONDS * 1000) throw problem;
      await sleep(pause, signal);
      pause = Math.min(2 * pause, 5);
    }
  }
}

async function attempt(file, memory, { report, remember, signal }) {
  let at = memory.url ? await find(memory, signal) : null;
  if (at === null) {
    memory.url = await begin(file, memory, signal);
    remember();
    at = { offset: 0, receipt: null };
  }
  report(at.offset);
  while (at.receipt === null) {
    const { offset } = at;
    const end = Math.min(offset + CHUNK_BYTES, file.size);
    at = await append(memory.url, file.slice(offset, end), {
      offset,
      signal,
      progress: (sent) => report(Math.min(offset + sent, file.size)),
    });
    report(at.offset);
    if (at.receipt === null && at.offset >= file.size) at = await find(memory, signal);
    if (at === null) throw new Problem({ status: 404, title: "Upload lost", detail: "The upload is no longer known; retry sends it again." });
  }
  return at.receipt;
}

async function begin(file, { key, sha256 }, signal) {
  const headers = { ...VERSION, "Upload-Length": file.size, "Idempotency-Key": key };
  if (sha256) headers["Upload-Metadata"] = `sha256 ${btoa(sha256)}`;
  const response = await send("POST", "/uploads", { headers, signal });
  return response.headers.get("Location");
}

// The byte at which an upload continues; null if it must begin again.
async function find(memory, signal) {
  try {
    return progressOf(await send("HEAD", memory.url, { headers: VERSION, signal }));
  } catch (problem) {
    if (problem.status !== 404 && problem.status !== 410) throw problem;
    memory.url = null;
    return null;
  }
}

// XMLHttpRequest, because fetch does not report how much of a body is sent.
function append(url, blob, { offset, signal, progress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort);
    request.open("PATCH", url);
    for (const [name, value] of Object.entries(VERSION)) request.setRequestHeader(name, value);
    request.setRequestHeader("Upload-Offset", String(offset));
    request.setRequestHeader("Content-Type", "application/offset+octet-stream");
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onloadend = () => {
      signal.removeEventListener("abort", abort);
      if (signal.aborted) return reject(new DOMException("The upload was paused", "AbortError"));
      const headers = { get: (name) => request.getResponseHeader(name) };
      if (request.status >= 200 && request.status < 300) return resolve(progressOf({ headers }));
      const problem = problemOf(request);
      // Another writer, or a response that was lost: the storagemaster knows the byte.
      if (problem.status === 409) problem.status = 503;
      reject(problem);
    };
    request.send(blob);
  });
}

function problemOf(request) {
  let fields = {};
  try {
    fields = JSON.parse(request.responseText);
  } catch {
    // No response, or a proxy's page.
  }
  return new Problem({
    status: request.status,
    title: fields.title ?? "No answer",
    detail: fields.detail ?? (request.status ? `status ${request.status}` : "The storagemaster does not answer."),
    fields,
  });
}

function progressOf({ headers }) {
  const reference = headers.get("Glassplate-Reference");
  const durability = headers.get("Durability") ?? "";
  return {
    offset: Number(headers.get("Upload-Offset")),
    receipt: reference ? { reference, durability } : null,
  };
}

function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("The upload was paused", "AbortError"));
    });
  });
}

// The digest of a file in hex; null where the browser has no cryptography, as on plain http.
export async function digestOf(file) {
  if (!crypto.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
