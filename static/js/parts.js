// A page reads itself again: whatever stands in a `[data-part]` is taken over from a fresh copy where it differs.

import { refreshAges } from "./clock.js";
import { freshCopy } from "./fresh.js";
import { inStep } from "./severity.js";

const TIMES = "[data-age], [data-until]"; // their text follows the clock

/**
 * Whether two copies of a part say the same, whatever the time is: what is the same keeps its open menus, its focus and
 * what the pointer is about to press.
 * @param {HTMLElement} part @param {HTMLElement} other
 */
function isSame(part, other) {
  if (part.innerHTML === other.innerHTML) return true;
  const [one, two] = [part, other].map((each) => {
    const copy = /** @type {HTMLElement} */ (each.cloneNode(true));
    for (const time of copy.querySelectorAll(TIMES)) time.textContent = "";
    for (const menu of copy.querySelectorAll("details")) menu.open = false;
    return copy.innerHTML;
  });
  return one === two;
}

/** Every page has tokens of its own, and each of them holds for the session. @param {Document} fresh */
function keepToken(fresh) {
  const token = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="csrf-token"]'))?.content;
  for (const field of fresh.querySelectorAll('input[name="csrfmiddlewaretoken"]')) field.setAttribute("value", token ?? "");
}

/**
 * Parts with `data-state` are replaced only when that differs, so that nobody loses what they are typing.
 * @param {string} [address] of the fresh copy
 */
export async function refreshParts(address = location.href) {
  const fresh = await freshCopy(address);
  keepToken(fresh);
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-part]"))) {
    const other = /** @type {HTMLElement | null} */ (fresh.querySelector(`[data-part="${part.dataset.part}"]`));
    if (!other || isSame(part, other)) continue;
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
