// When somebody was last heard, kept true by what comes: `data 2 s old`, where it was other words while nothing had come.

import { refreshAges } from "./clock.js";
import { live } from "./live.js";

/**
 * @param {HTMLElement | null} element `<* data-heard-of="user_001">data <span class="age" data-age="...">2 s</span> old</*>`
 * @param {any} event the contract's event
 */
export function sayHeard(element, { user_id: userId, timestamp }) {
  if (!element || element.dataset.heardOf !== userId) return;
  const known = /** @type {HTMLElement | null} */ (element.querySelector("[data-age]"));
  if (known && (known.dataset.age ?? "") >= timestamp) return;
  const aged = known ?? document.createElement("span");
  aged.dataset.age = timestamp;
  if (!known) {
    aged.className = "age";
    element.replaceChildren("data ", aged, " old");
  }
  refreshAges(element);
}

/**
 * `run`, which takes over a copy of the page, and then `show` again for the events that came meanwhile: the copy may be
 * older than they are.
 * @param {(wishes: Record<string, boolean>) => Promise<void>} run
 * @param {(event: any) => void} show
 * @returns {(wishes?: Record<string, boolean>) => Promise<void>}
 */
export const keepingUp = (run, show) => async (wishes = {}) => {
  /** @type {any[]} */
  const came = [];
  const note = (/** @type {Event} */ event) => void came.push(/** @type {CustomEvent} */ (event).detail);
  live.addEventListener("vital", note);
  try {
    await run(wishes);
  } finally {
    live.removeEventListener("vital", note);
  }
  for (const event of came) show(event);
};
