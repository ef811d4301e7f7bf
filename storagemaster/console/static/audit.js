// The page Audit.

import { heading } from "./components.js";

export const title = "Audit";
export const scope = "audit";

export function render({ main }) {
  main.append(heading(title));
}
