// A page reads itself again: whatever stands in a `[data-part]` is taken over from a fresh copy where it differs.

import { refreshAges } from "./clock.js";
import { inStep } from "./severity.js";

/**
 * Parts with `data-state` are replaced only when that differs, so that nobody loses what they are typing.
 * @param {string} [address] of the fresh copy
 */
export async function refreshParts(address = location.href) {
  const response = await fetch(address, { headers: { "HX-Request": "true" } });
  if (!response.ok || response.redirected) throw new Error(`${address}: ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-part]"))) {
    const other = /** @type {HTMLElement | null} */ (fresh.querySelector(`[data-part="${part.dataset.part}"]`));
    if (!other || part.innerHTML === other.innerHTML) continue;
    if (part.querySelector(".htmx-request")) continue; // the answer must find its form; it brings a refresh of its own
    if (part.dataset.state !== undefined && part.dataset.state === other.dataset.state) continue;
    if (other.dataset.state !== undefined) part.dataset.state = other.dataset.state;
    part.replaceChildren(...other.childNodes);
    // @ts-ignore htmx is a global
    htmx.process(part);
  }
  refreshAges();
  inStep();
}

/** Calls `run` soon, and again only after `pause`. @param {() => void} run @param {number} [pause] milliseconds */
export function soon(run, pause = 1000) {
  let due = 0;
  return () => {
    if (due) return;
    due = setTimeout(() => {
      due = 0;
      run();
    }, pause);
  };
}
