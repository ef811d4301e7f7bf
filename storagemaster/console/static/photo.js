// The page Photo.

import { heading } from "./components.js";

export const title = "Photo";
export const scope = "read";

export function render({ main }) {
  main.append(heading(title));
}
