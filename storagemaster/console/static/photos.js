// The page Photos.

import { heading } from "./components.js";

export const title = "Photos";
export const scope = "read";

export function render({ main }) {
  main.append(heading(title));
}
