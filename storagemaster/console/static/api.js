// Requests to the storagemaster: the routes of /openapi.json, with the cookie of the session.

let csrf = "";

export function useSession(session) {
  csrf = session ? session.csrf : "";
}

// An error of a request: what happened, and what to do, in the storagemaster's words.
export class Problem extends Error {
  constructor({ status, title, detail, requestId = "", fields = {} }) {
    super(detail || title);
    Object.assign(this, { status, title, detail, requestId, fields, at: Date.now() / 1000 });
  }

  get isTemporary() {
    return this.status === 0 || this.status === 423 || this.status === 429 || this.status >= 500;
  }
}

const SILENT = {
  status: 0,
  title: "The storagemaster does not answer",
  detail: "Nothing is lost: photos that were kept stay kept. Check that it runs, then try again.",
};

// Sends a request; returns the response. Throws a Problem unless the status is below 400.
// options: body (sent as JSON), raw (a Blob), headers, query, signal
export async function send(method, path, { body, raw, headers = {}, query, signal } = {}) {
  const url = query ? `${path}?${new URLSearchParams(query)}` : path;
  const sent = { ...headers };
  if (method !== "GET" && method !== "HEAD") sent["Glassplate-CSRF"] = csrf;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: sent,
      body: body === undefined ? raw : JSON.stringify(body),
      signal,
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(SILENT);
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401 && !path.startsWith("/console/session")) {
    window.dispatchEvent(new CustomEvent("signed-out", { detail: problem }));
  }
  throw problem;
}

export async function get(path, options) {
  return (await send("GET", path, options)).json();
}

export async function post(path, options) {
  return (await send("POST", path, options)).json();
}

async function problemOf(response) {
  let fields = {};
  try {
    fields = await response.json();
  } catch {
    // A proxy's page, or no body at all.
  }
  return new Problem({
    status: response.status,
    title: fields.title ?? `Status ${response.status}`,
    detail: fields.detail ?? "",
    requestId: response.headers.get("X-Request-Id") ?? "",
    fields,
  });
}

// The statuses of photos, by reference; at most 500 at once.
export async function lookUp(references, options) {
  if (!references.length) return [];
  const found = await post("/photos/info", { body: { photos: references }, ...options });
  return found.photos;
}

export const referenceOf = (status) => `${status.volume}/${status.photo}/${status.version}`;
