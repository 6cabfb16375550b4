// The current values of a wearer, as events come, each beside what is usual.

import { inUnits } from "./units.js";

/** @typedef {{paths: Record<string, [string, string]>, decimals: Record<string, number>}} Known of the page's data */

/** The value of a metric in an event, as its reader has it. @param {any} event @param {string} name @param {Known} known */
export function valueOf(event, name, known) {
  const [group, field] = known.paths[name];
  const value = event[group]?.[field];
  return typeof value === "number" ? inUnits(name, value) : null;
}

/** Why a value of these metrics is in doubt, in words. @param {any} event @param {string[]} names @returns {string} */
export const doubtOf = (event, names) => names.map((name) => event.doubts?.[name]).find(Boolean) ?? "";

/** @param {any} event the contract's event @param {Known} known */
export function showTiles(event, known) {
  for (const tile of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".current"))) {
    const names = (tile.dataset.metrics ?? "").split(" ");
    const values = names.map((name) => valueOf(event, name, known));
    const since = /** @type {HTMLElement} */ (tile.querySelector(".age"));
    if (values.some((value) => value === null) || (since.dataset.age ?? "") > event.timestamp) continue;
    const text = /** @type {HTMLElement} */ (tile.querySelector(".value"));
    text.textContent = values.map((value, place) => value?.toFixed(known.decimals[names[place]])).join("/");
    const doubt = doubtOf(event, names);
    text.classList.remove("none");
    text.classList.toggle("suspect", Boolean(doubt));
    /** @type {HTMLElement} */ (tile.querySelector(".doubt")).textContent = doubt;
    since.dataset.age = event.timestamp;
    if (tile.dataset.heard) tile.dataset.heard = event.timestamp;
    besideUsual(tile, /** @type {number} */ (values[0]));
  }
}

/** @param {HTMLElement} tile @param {number} value */
function besideUsual(tile, value) {
  const usual = /** @type {HTMLElement | null} */ (tile.querySelector(".usual[data-low]"));
  if (!usual) return;
  const [low, high] = [Number(usual.dataset.low), Number(usual.dataset.high)];
  const [from, to] = (usual.dataset.axis ?? "").split(" ").map(Number);
  const share = Math.min(100, Math.max(0, (100 * (value - from)) / (to - from)));
  usual.querySelector(".place")?.setAttribute("d", `M${share.toFixed(1)} 4h.01`);
  const word = /** @type {HTMLElement} */ (tile.querySelector(".beside-usual"));
  word.textContent = value > high ? "above usual" : value < low ? "below usual" : "";
}
