// Pages that follow the cluster: repeated work, parts that change, and the age of what is shown.

import { notice } from "./components.js";
import { time } from "./dom.js";
import { isStale } from "./health.js";
import { latest } from "./stream.js";

// Calls work now, and again after a pause each time, until the signal is aborted.
export async function every(milliseconds, work, signal) {
  while (!signal.aborted) {
    try {
      await work();
    } catch (problem) {
      if (signal.aborted || problem.status === 401) return;
      // The next call shows the numbers; the banner says how old these are.
    }
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}

// Replaces the content of a place only if its data differs, and keeps the focus.
export function update(place, data, draw) {
  const text = JSON.stringify(data);
  if (place.dataset.shown === text) return;
  place.dataset.shown = text;
  const nameOf = (element) => element.ariaLabel || element.textContent;
  const focused = place.contains(document.activeElement) && nameOf(document.activeElement);
  place.replaceChildren(...draw(data));
  if (focused) [...place.querySelectorAll("a, button")].find((each) => nameOf(each) === focused)?.focus();
}

// Says how old the numbers are while no news arrive.
export function showAge(main, before) {
  const shown = main.querySelector(".stale");
  if (!isStale()) return shown?.remove();
  const banner = notice("warn", "No news from the storagemaster.", `All numbers are from ${time(latest.arrived)}.`);
  banner.classList.add("stale");
  if (!shown && before.isConnected) main.prepend(banner);
}
