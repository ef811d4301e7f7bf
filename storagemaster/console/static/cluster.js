// The page Cluster.

import { heading } from "./components.js";

export const title = "Cluster";
export const scope = "status";

export function render({ main }) {
  main.append(heading(title));
}
