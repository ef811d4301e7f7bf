// The page Work.

import { heading } from "./components.js";

export const title = "Work";
export const scope = "status";

export function render({ main }) {
  main.append(heading(title));
}
