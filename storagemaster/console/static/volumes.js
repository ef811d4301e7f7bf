// The page Volumes.

import { heading } from "./components.js";

export const title = "Volumes";
export const scope = "status";

export function render({ main }) {
  main.append(heading(title));
}
