// The page Upload.

import { heading } from "./components.js";

export const title = "Upload";
export const scope = "upload";

export function render({ main }) {
  main.append(heading(title));
}
