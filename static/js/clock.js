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

const { zone = "UTC", zoneName = "UTC" } = document.documentElement.dataset;
const calendar = zone === "UTC" ? null : new Intl.DateTimeFormat("en", {
  timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
});

/** Whose clock the page's times are by: its IANA name, and as it is written: `UTC`, `Vienna`. */
export { zone, zoneName };

/** A moment by this person's clock: a Date whose UTC fields say it. @param {number} ms */
export function local(ms) {
  if (!calendar) return new Date(ms);
  /** @type {Record<string, number>} */
  const is = Object.fromEntries(calendar.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  return new Date(Date.UTC(is.year, is.month - 1, is.day, is.hour, is.minute, is.second) + (ms % 1000));
}

/** A moment as a time of day, by this person's clock: `14:32:21`. @param {number} ms */
export const timeOfDay = (ms) => local(ms).toISOString().slice(11, 19);

/** A moment by the clock of UTC: `2 Mar 2026 14:30:02 UTC`. @param {number} ms */
export const utc = (ms) => new Date(ms).toUTCString().replace(/^\w+, 0?|GMT$/g, "") + "UTC";

/** Says of an age and of a countdown, while somebody points at it, which moment it counts from or to. */
export function startMoments() {
  document.addEventListener("pointerover", (event) => {
    const element = /** @type {HTMLElement | null} */ (event.target instanceof Element ? event.target.closest("[data-age], [data-until], [data-clock]") : null);
    const moment = element?.hasAttribute("data-clock") ? now() : Date.parse(element?.dataset.age ?? element?.dataset.until ?? "");
    if (element && !Number.isNaN(moment)) element.title = `${timeOfDay(moment)} ${zoneName}, ${utc(moment)}`;
  });
}

const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");

/**
 * Writes every age of the page. `<time data-age="2026-03-01T12:00:00Z" [data-age-short]>` shows how long ago that is.
 * `<span data-until="...">` counts down to a moment: `12 m 03 s left`, then `over`.
 * An element with `data-heard` (a moment) and `data-cadence` (seconds) becomes `late` from 3 times its cadence on, and
 * `silent` from 6 times. `<* data-on-time="on time, 5 s" data-usual="4.98">` in it says so, and how many were missed.
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
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-until]"))) {
    const left = Date.parse(element.dataset.until ?? "") - at;
    if (Number.isNaN(left)) continue;
    const text = left > 0 ? `${age(left)} left` : "over";
    if (element.textContent === text) continue;
    element.textContent = text;
    if (left <= 0) dispatchEvent(new Event("telara:over")); // whoever shows it may read what came of it
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-heard]"))) {
    const waited = (at - Date.parse(element.dataset.heard ?? "")) / 1000 / Number(element.dataset.cadence || 5);
    element.classList.toggle("late", waited >= 3 && waited < 6);
    element.classList.toggle("silent", waited >= 6);
    const said = /** @type {HTMLElement | null} */ (element.querySelector("[data-on-time]"));
    if (said) said.textContent = waited < 3 ? said.dataset.onTime ?? "" : missed(element, said, at);
  }
}

/** @param {HTMLElement} heard @param {HTMLElement} said @param {number} at */
function missed({ classList, dataset }, said, at) {
  const word = classList.contains("silent") ? "silent" : "late";
  const usual = Number(said.dataset.usual);
  if (!usual) return word;
  const count = Math.floor((at - Date.parse(dataset.heard ?? "")) / 1000 / usual);
  return `${word}, ${count.toLocaleString("en")} missed`;
}
