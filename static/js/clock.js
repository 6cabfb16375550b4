// Time as the server has it, and ages counted from it: they grow also when nothing comes.

let offsetMs = Number(document.documentElement.dataset.serverTime ?? Date.now()) - Date.now();

/** Milliseconds since the epoch by the server's clock. */
export const now = () => Date.now() + offsetMs;

/**
 * Takes over the server's clock. What arrives late makes the server look behind, never ahead: the larger offset wins,
 * and a difference of a second or more means that one of the clocks was set.
 * @param {string} serverTime RFC 3339
 */
export function synchronise(serverTime) {
  const measured = Date.parse(serverTime) - Date.now();
  if (measured > offsetMs || offsetMs - measured > 1000) offsetMs = measured;
}

/**
 * An age in words: `18 s`, `6 m 10 s`, `1 h 04 m`, `2 d`; short, as on a tile: `6 m`.
 * @param {number} ms
 * @param {boolean} [short]
 */
export function age(ms, short = false) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return `${seconds} s`;
  if (hours >= 24) return `${Math.floor(hours / 24)} d`;
  if (short) return hours ? `${hours} h` : `${minutes} m`;
  return hours ? `${hours} h ${pad(minutes % 60)} m` : `${minutes} m ${pad(seconds % 60)} s`;
}

/** A moment as a time of day, UTC: `14:32:21`. @param {number} ms */
export const timeOfDay = (ms) => new Date(ms).toISOString().slice(11, 19);

const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");

/**
 * Writes every age of the page. `<time data-age="2026-03-01T12:00:00Z" [data-age-short]>` shows how long ago that is.
 * An element with `data-heard` (a moment) and `data-cadence` (seconds) becomes `late` from 3 times its cadence on, and
 * `silent` from 6 times.
 * @param {ParentNode} [root]
 */
export function refreshAges(root = document) {
  const at = now();
  for (const element of root.querySelectorAll("[data-age]")) {
    const from = Date.parse(/** @type {HTMLElement} */ (element).dataset.age ?? "");
    if (Number.isNaN(from)) continue;
    const text = age(at - from, element.hasAttribute("data-age-short"));
    if (element.textContent !== text) element.textContent = text;
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-heard]"))) {
    const waited = (at - Date.parse(element.dataset.heard ?? "")) / 1000 / Number(element.dataset.cadence || 5);
    element.classList.toggle("late", waited >= 3 && waited < 6);
    element.classList.toggle("silent", waited >= 6);
  }
}
