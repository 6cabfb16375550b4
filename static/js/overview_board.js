// What the overview knows: what the server said last, and the values that came by the socket since.

import { addPoint, keepNewer } from "./points.js";
import { inUnits } from "./units.js";

/** @typedef {import("./points.js").Points} Points */

const GROUPS = ["vitals", "activity"];

/** @param {Document} page @returns {any} see dashboard/overview/board.py */
const snapshotOf = (page) => JSON.parse(page.querySelector("#snapshot")?.textContent ?? "{}");

export class Board {
  constructor() {
    this.snapshot = snapshotOf(document);
    /** @type {Map<string, Points>} */
    this.points = new Map(Object.entries(this.snapshot.points));
    /** The tiles of each person. @type {Map<string, HTMLElement[]>} */
    this.tiles = new Map();
  }

  get newestAt() {
    return Math.max(0, ...[...this.points.values()].map((known) => known.t.at(-1) ?? 0));
  }

  /** @param {any} event the contract's event @returns {Record<string, any>} its values, as their reader has them */
  add(event) {
    const values = Object.assign({}, ...GROUPS.map((group) => event[group] ?? {}));
    for (const [metric, value] of Object.entries(values)) if (typeof value === "number") values[metric] = inUnits(metric, value);
    const known = this.points.get(event.user_id);
    if (known) addPoint(known, Date.parse(event.timestamp), { ...values, flags: event.flags ?? 0 });
    return values;
  }

  /** Takes a newer snapshot over. @param {Document} parts @param {boolean} anew nothing is kept of what was known */
  take(parts, anew) {
    const known = this.points;
    this.snapshot = snapshotOf(parts);
    this.points = new Map(Object.entries(this.snapshot.points));
    if (!anew) for (const [id, old] of known) keepNewer(old, this.points.get(id));
  }

  /** After the tiles on the page were swapped. */
  findTiles() {
    this.tiles = new Map();
    for (const tile of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#wall [data-person]"))) {
      const id = tile.dataset.person ?? "";
      this.tiles.set(id, [...(this.tiles.get(id) ?? []), tile]);
    }
  }
}
