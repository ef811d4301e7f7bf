// Uploads one photo with a ticket by tus 1.0, which continues after a lost connection.

const CHUNK_BYTES = 4 * 1024 * 1024;
const ATTEMPTS_MAX = 8;
const VERSION = { "Tus-Resumable": "1.0.0" };

// Returns the reference of the stored photo. `index` numbers the photos of a ticket.
export async function upload(url, file, { ticket, index, progress }) {
  const begun = await attempt(url, {
    method: "POST",
    headers: {
      ...VERSION,
      Authorization: `Bearer ${ticket}`,
      "Glassplate-Ticket-Index": String(index),
      "Upload-Length": String(file.size),
    },
  });
  const location = new URL(begun.headers.get("Location"), url);
  let offset = 0;
  for (let failures = 0; ; ) {
    try {
      const response = await attempt(location, {
        method: "PATCH",
        headers: { ...VERSION, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
        body: file.slice(offset, offset + CHUNK_BYTES),
      });
      const reference = response.headers.get("Glassplate-Reference");
      if (reference) return reference;
      offset = Number(response.headers.get("Upload-Offset"));
      failures = 0;
      progress(offset);
    } catch (error) {
      if (!error.isTemporary || ++failures >= ATTEMPTS_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** failures));
      const found = await attempt(location, { method: "HEAD", headers: VERSION }).catch(() => null);
      if (found?.headers.get("Glassplate-Reference")) return found.headers.get("Glassplate-Reference");
      if (found) offset = Number(found.headers.get("Upload-Offset"));
    }
  }
}

async function attempt(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw Object.assign(new Error("No connection"), { isTemporary: true });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const isTemporary = [409, 423, 429, 502, 503, 504].includes(response.status);
  throw Object.assign(new Error(problem.title ?? `Status ${response.status}`), { isTemporary });
}
