// Runs every vector with the JavaScript signer: node run_vectors.mjs vectors.json

import { readFileSync } from "node:fs";
import { photoUrl, ticket, verifyWebhook } from "../../signers/js/glassplate.mjs";

const { application, urls, tickets, webhooks } = JSON.parse(readFileSync(process.argv[2], "utf8"));

function attempt(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof TypeError) throw error;
    return null;
  }
}

const results = {
  urls: urls.map(({ reference, size, read_key = application.read_key, ...options }) =>
    attempt(() => photoUrl({ ...application, read_key }, reference, size, options)),
  ),
  tickets: tickets.map(({ options, now }) => attempt(() => ticket(application, { ...options, now }))),
  webhooks: webhooks.map(({ signature, body, now }) =>
    attempt(() => verifyWebhook(application, signature, Buffer.from(body), { now })),
  ),
  own: [photoUrl(application, "3/01jd3x8m2c9qp4k7/3fz8qd", "m", { expires: 60 }), ticket(application, { bytes_max: 1 })],
};
console.log(JSON.stringify(results));
