// Uploads a file with tus-js-client: `node upload_by_tus.mjs URL TOKEN FILE BYTES_MAX [UPLOAD]`.
//
// Prints the URL of the upload, then each acknowledged offset. Ends with status 3 at BYTES_MAX.
import { createReadStream } from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, token, path, bytesMax, uploadUrl] = process.argv.slice(2);
const upload = new Upload(createReadStream(path), {
  endpoint,
  uploadUrl,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: "cat.jpg" },
  chunkSize: 300_000,
  retryDelays: Array(100).fill(50),
  onUploadUrlAvailable: () => console.log(upload.url),
  onChunkComplete: (_, accepted) => {
    console.log(accepted);
    if (accepted >= Number(bytesMax)) process.exit(3);
  },
  onError: (error) => {
    console.log(String(error));
    process.exit(1);
  },
});
upload.start();
