// The wall of the overview: the values on its tiles, their small lines, and when it may be put into a new order.

import { now } from "./clock.js";
import { gapOf, heartOf, WINDOW_MS } from "./points.js";
import { sparkline } from "./sparkline.js";

/** @typedef {import("./overview_board.js").Board} Board */

export const ORDER_EVERY_MS = 10_000;

/** @param {HTMLElement} tile @param {any} event @param {Record<string, number>} values @param {Record<string, number>} decimals */
export function showValues(tile, event, values, decimals) {
  if (Date.parse(event.timestamp) < Date.parse(tile.dataset.heard || "1970")) return;
  tile.dataset.heard = event.timestamp;
  const aged = /** @type {HTMLElement | null} */ (tile.querySelector("[data-age]"));
  if (aged) aged.dataset.age = event.timestamp;
  for (const shown of /** @type {NodeListOf<HTMLElement>} */ (tile.querySelectorAll("[data-metric]"))) {
    const metric = shown.dataset.metric ?? "";
    const value = values[metric];
    if (value === undefined) continue;
    const text = value.toFixed(decimals[metric] ?? 0) + (metric.endsWith("temp_c") ? "°" : "");
    if (shown.textContent !== text) shown.textContent = text;
    shown.title = event.doubts?.[metric] ?? "";
    shown.classList.toggle("suspect", Boolean(shown.title));
  }
}

/** While the order stays: each person as they now are, where they stand. @param {Document} parts a newer snapshot */
export function takeInPlace(parts) {
  const people = (/** @type {Document} */ page) => /** @type {NodeListOf<HTMLElement>} */ (page.querySelectorAll("#wall [data-person]"));
  const now = new Map([...people(parts)].map((each) => [each.dataset.person, each]));
  for (const old of people(document)) {
    const other = now.get(old.dataset.person);
    if (!other) leave(old);
    else if (other.dataset.state === old.dataset.state || old.matches(":active")) continue;
    else if (old.localName === other.localName) become(old, document.importNode(other, true));
    else dress(old, other);
  }
  for (const link of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#wall .choice [data-show]"))) {
    const counted = parts.querySelector(`#wall .choice [data-show="${link.dataset.show}"]`);
    if (counted) link.replaceChildren(...document.importNode(counted, true).childNodes);
  }
}

/** @param {HTMLElement} old */
const linkOf = (old) => /** @type {HTMLAnchorElement} */ (old.matches("a") ? old : old.querySelector("a"));

/** @param {HTMLElement} old @param {HTMLElement} fresh */
function become(old, fresh) {
  const isFocused = old.contains(document.activeElement);
  old.replaceWith(fresh);
  if (isFocused) linkOf(fresh).focus({ preventScroll: true });
}

/** A cell says of an alert what the tile of a newer snapshot does, a tile what a cell does: by shape and colours.
 *  @param {HTMLElement} old @param {HTMLElement} other */
function dress(old, other) {
  const { state = "", severity: is = "" } = other.dataset;
  const { severity: was = "" } = old.dataset;
  if (!old.matches(".tile")) linkOf(old).className = is && `fault-${is}`;
  else if (was !== is) for (const name of [was, is].filter(Boolean)) old.classList.toggle(name, name === is);
  for (const value of /** @type {NodeListOf<HTMLElement>} */ (old.querySelectorAll("[data-metric]"))) {
    const fault = other.querySelector(`[data-metric="${value.dataset.metric}"]`)?.className.match(/ fault-\w+/)?.[0] ?? "";
    value.className = value.className.replace(/ fault-\w+/, "") + fault;
  }
  const shape = other.querySelector(".shape");
  old.querySelector(".shape")?.remove();
  if (shape) (old.querySelector(".tile-head") ?? linkOf(old)).prepend(document.importNode(shape, true));
  Object.assign(old.dataset, { state, severity: is });
  old.classList.remove("gone");
  old.removeAttribute("title");
}

/** Somebody whom another page of the wall has now, or none. @param {HTMLElement} old */
function leave(old) {
  old.classList.add("gone");
  old.querySelector(".blink")?.classList.remove("blink");
  old.title = "No longer on this page of the wall";
  delete old.dataset.state;
}

/** Keeps its order while the pointer or the focus is in it, and for 10 s after the last change. */
export class Order {
  constructor() {
    this._changedAt = performance.now();
    this._timer = 0;
  }

  get mayChange() {
    const wall = document.querySelector("#wall");
    if (!wall) return false;
    const busy = wall.matches(":hover") || wall.contains(document.activeElement);
    return !busy && performance.now() - this._changedAt >= ORDER_EVERY_MS - 500;
  }

  changed() {
    this._changedAt = performance.now();
  }

  /** @param {() => void} change is called when it may be, once however often this is asked for */
  later(change) {
    clearTimeout(this._timer);
    const left = ORDER_EVERY_MS - (performance.now() - this._changedAt);
    this._timer = setTimeout(change, Math.max(1000, left));
  }
}

/** All small lines: of the figures above, and of each tile. @param {Board} board */
export function drawSparks(board) {
  for (const svg of /** @type {NodeListOf<SVGSVGElement>} */ (document.querySelectorAll("#kpis [data-spark]"))) {
    const values = (svg.dataset.spark ?? "").split(",").filter(Boolean).map(Number);
    sparkline(svg, values.map((_, i) => i), values, { zero: true });
  }
  for (const svg of /** @type {NodeListOf<SVGSVGElement>} */ (document.querySelectorAll("#wall [data-person-spark]"))) spark(svg, board);
}

/** The small lines of these people alone. @param {Iterable<string>} ids @param {Board} board */
export function drawSparksOf(ids, board) {
  for (const id of ids) {
    const svg = board.tiles.get(id)?.[0]?.querySelector("[data-person-spark]");
    if (svg) spark(/** @type {SVGSVGElement} */ (svg), board);
  }
}

/** @param {SVGSVGElement} svg @param {Board} board */
function spark(svg, board) {
  const known = board.points.get(svg.dataset.personSpark ?? "");
  if (!known) return;
  const { times, rates } = heartOf(known);
  const tile = /** @type {HTMLElement | null} */ (svg.closest(".tile"));
  const fault = tile?.querySelector('[data-metric="heart_rate"]')?.className.match(/fault-(\w+)/)?.[1];
  sparkline(svg, times, rates, {
    from: now() - WINDOW_MS,
    to: now(),
    gap: gapOf("heart_rate", Number(tile?.dataset.cadence ?? 5), known),
    stroke: fault ? `var(--${fault})` : "var(--data)",
  });
}
