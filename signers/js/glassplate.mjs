// Signs photo URLs and upload tickets, and checks webhooks. It needs Node.js and nothing else.
//
//   const shop = JSON.parse(readFileSync("shop.json"));   // glassplate application export shop --json
//   photoUrl(shop, "3/01jd3x8m2c9qp4k7/3fz8qd", "m", { expires: 3600 });
//   ticket(shop, { ref: "order-7", formats: ["jpg", "heic"], bytes_max: 20_000_000 });
//   verifyWebhook(shop, request.headers["glassplate-signature"], body).state;

import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const CHARACTERS = "0123456789abcdefghjkmnpqrstvwxyz";
const REFERENCE = /^([1-9][0-9]{0,4})\/([0-9a-hjkmnp-tv-z]{16})\/([0-9a-hjkmnp-tv-z]{6})$/;
const SIGNATURE = /^([a-z0-9]{1,4})\.([0-9]{1,12})\.([A-Za-z0-9_-]{24})$/;
const EXTENSIONS = ["jpg", "png", "gif", "webp", "avif", "heic", "tif"];
const CLAIMS = ["count", "bytes_max", "formats", "sha256", "volume", "strict", "to", "ref"];
const WINDOW_SECONDS = 300;
const TICKET_SECONDS_MAX = 7 * 24 * 3600;

/**
 * Returns the URL of one size. With `expires`, in seconds, it ends; the end is rounded up to five
 * minutes, so that caches see equal URLs. The original, size "o", needs its `ext`.
 */
export function photoUrl(application, reference, size, options = {}) {
  const { ext = size === "o" ? "" : "jpg", expires = null, now = Date.now() / 1000 } = options;
  const match = REFERENCE.exec(reference);
  if (!match || Number(match[1]) > 65535) throw new Error(`invalid reference ${reference}`);
  if (!EXTENSIONS.includes(ext)) throw new Error(`unknown format '${ext}'`);
  if (expires !== null && !(expires > 0)) throw new Error(`invalid expiry ${expires}`);
  const sizeClass = classOf(application, size);
  const key = application.read_key;
  if (!key) throw new Error("the application has no read_key");
  const end = expires === null ? 0 : Math.ceil((now + Math.trunc(expires)) / WINDOW_SECONDS) * WINDOW_SECONDS;
  checkRestriction(key.id, sizeClass, end, now);
  const [, volume, photo, version] = match;
  const stem = `${volume}/${photo.slice(-2)}/${photo}_${version}`;
  const until = end.toString(16);
  const mac = macOf(key.secret, `${until}/${stem}/${sizeClass}`);
  return `${application.edges[0]}/${stem}_${size}.${key.id}.${until}.${mac}.${ext}`;
}

/**
 * Returns an upload ticket. Options are `bytes_max` and, if wanted, `expires` in seconds, `count`,
 * `formats`, `sha256`, `volume`, `strict`, `to`, and `ref`.
 */
export function ticket(application, options) {
  const { expires = 3600, now = Date.now() / 1000, id = ticketId(), ...rest } = options;
  const { id: keyId, secret } = application.ticket_key;
  const unknown = Object.keys(rest).filter((name) => !CLAIMS.includes(name));
  if (unknown.length) throw new Error(`unknown options: ${unknown}`);
  const { count = 1, formats = ["jpg"], sha256 = "", volume = 1, strict = false, to = "", ref = "-" } = rest;
  const valid = {
    expires: expires > 0 && expires <= TICKET_SECONDS_MAX,
    count: isWhole(count, 500),
    bytes_max: isWhole(rest.bytes_max, Number.MAX_SAFE_INTEGER),
    formats: Array.isArray(formats) && formats.length > 0 && formats.every((each) => EXTENSIONS.includes(each)),
    sha256: sha256 === "" || (/^[0-9a-f]{64}$/.test(sha256) && count === 1),
    volume: isWhole(volume, 65535),
    strict: typeof strict === "boolean",
    to: to === "" || /^https?:\/\/[!"$-~]{1,500}$/.test(to),
    ref: typeof ref === "string" && /^(?:[^\p{C}\p{Z}]| ){1,64}$/u.test(ref),
  };
  for (const name in valid) if (!valid[name]) throw new Error(`invalid ${name}`);
  const claims = { application: application.application, id, expiry: Math.floor(now + expires), count: 1 };
  for (const name of CLAIMS) if (rest[name] !== undefined) claims[name] = rest[name];
  const payload = Buffer.from(JSON.stringify(claims)).toString("base64url");
  const signed = `gt1.${keyId}.${payload}`;
  return `${signed}.${macOf(secret, signed)}`;
}

/**
 * Returns the event of a webhook. `body` is a Buffer or a string with the bytes as received. Throws
 * unless the cluster signed them for this application in the last 300 seconds.
 */
export function verifyWebhook(application, signature, body, { now = Date.now() / 1000 } = {}) {
  const match = SIGNATURE.exec(signature ?? "");
  if (!match) throw new Error("the webhook is refused: no signature");
  const [, keyId, seconds, mac] = match;
  const keys = application.webhook_keys;
  if (!Object.hasOwn(keys, keyId)) throw new Error("the webhook is refused: unknown key");
  const digest = createHash("sha256").update(body).digest("hex");
  const expected = macOf(keys[keyId], `${seconds}\n${digest}`);
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(mac))) {
    throw new Error("the webhook is refused: wrong signature");
  }
  if (Math.abs(now - Number(seconds)) > 300) throw new Error("the webhook is refused: too old");
  return JSON.parse(body.toString());
}

function classOf(application, size) {
  if (size === "o") return "original";
  const found = application.sizes.find((each) => each.letter === size);
  if (!found) throw new Error(`unknown size '${size}'`);
  return found.class;
}

// A restricted key names its size classes by their first letters, then its longest lifetime in hours.
function checkRestriction(keyId, sizeClass, end, now) {
  const [, classes, hours] = /^[a-z0-9]+(?:-([wlo]*)([0-9]*))?$/.exec(keyId);
  if (classes && !classes.includes(sizeClass[0])) throw new Error(`the read_key signs no size of class ${sizeClass}`);
  if (hours && !(end && end < now + hours * 3600 + WINDOW_SECONDS)) {
    throw new Error(`the read_key signs URLs that end within ${hours} hours`);
  }
}

function macOf(secret, message) {
  const key = Buffer.from(secret, "hex");
  return createHmac("sha256", key).update(message).digest().subarray(0, 18).toString("base64url");
}

function isWhole(value, most) {
  return Number.isSafeInteger(value) && value >= 1 && value <= most;
}

function ticketId() {
  return Array.from(randomBytes(13), (byte) => CHARACTERS[byte & 31]).join("");
}
