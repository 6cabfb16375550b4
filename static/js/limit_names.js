// Words on a plot: with a halo of the surface, and the names of limits where they hide the least.

import { colour } from "./severity.js";

/** Left, right and middle of the line: earlier ones are taken where as much is hidden. */
const ALONG = [0, 1, 0.5];
const HEIGHT_PX = 13;
const ASIDE_PX = 8;
const OUTSIDE = 10_000;
const EVERY_PX = 6;
const font = () => `600 ${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;

/** @typedef {{along: number, side: number}} Place */
/** @typedef {{x: number, y: number, width: number}} Box its left end, its middle, its width */

/** A text with a 4 px halo of the surface. @param {CanvasRenderingContext2D} ctx @param {string} text @param {number} x @param {number} y @param {string} paint @param {CanvasTextAlign} [align] */
export function haloText(ctx, text, x, y, paint, align = "left") {
  ctx.save();
  ctx.font = font();
  ctx.textBaseline = "middle";
  ctx.textAlign = align;
  ctx.lineJoin = "round";
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.strokeStyle = colour("surface-1");
  ctx.strokeText(text, x, y);
  ctx.fillStyle = paint;
  ctx.fillText(text, x, y);
  ctx.restore();
}

/** The names of the limits of one plot. A name stays where it was while it hides no more there than elsewhere. */
export class LimitNames {
  constructor() {
    /** @type {Map<string, Place>} */
    this._places = new Map();
    /** @type {Box[]} */
    this._taken = [];
    /** @type {[number, number][]} */
    this._points = [];
  }

  /** A drawing begins. @param {any} u */
  begin(u) {
    this._taken = [];
    this._points = pointsOf(u);
  }

  /**
   * Writes a name beside its line at `y`: above it, where that hides no more than below.
   * @param {any} u @param {string} text @param {number} y @param {string} paint @param {boolean} [below] rather below it
   */
  write(u, text, y, paint, below = false) {
    const { ctx } = u;
    ctx.save();
    ctx.font = font();
    const { width } = ctx.measureText(text);
    ctx.restore();
    const before = this._places.get(text);
    const all = (below ? [1, -1] : [-1, 1]).flatMap((side) => ALONG.map((along) => ({ along, side })));
    let best = { place: all[0], hidden: Infinity };
    for (const place of before ? [before, ...all] : all) {
      const hidden = this._hidden(u, boxOf(u, place, width, y));
      if (hidden < best.hidden) best = { place, hidden };
    }
    const box = boxOf(u, best.place, width, y);
    this._places.set(text, best.place);
    this._taken.push(box);
    haloText(ctx, text, box.x, box.y, paint);
  }

  /** How much of what is drawn a name would hide. @param {any} u @param {Box} box */
  _hidden(u, box) {
    const half = (HEIGHT_PX / 2) * devicePixelRatio;
    const { top, height } = u.bbox;
    if (box.y - half < top || box.y + half > top + height) return OUTSIDE;
    const on = this._taken.some((each) => Math.abs(each.y - box.y) < 2 * half && each.x < box.x + box.width && box.x < each.x + each.width);
    const points = this._points.filter(([x, y]) => x > box.x - 4 && x < box.x + box.width + 4 && Math.abs(y - box.y) < half);
    return points.length + (on ? OUTSIDE / 2 : 0);
  }
}

/** @param {any} u @param {Place} place @param {number} width @param {number} y @returns {Box} */
function boxOf(u, { along, side }, width, y) {
  const room = u.bbox.width - width - 12 * devicePixelRatio;
  return { x: u.bbox.left + 6 * devicePixelRatio + along * Math.max(0, room), y: y + side * ASIDE_PX * devicePixelRatio, width };
}

/** Where the lines of a plot run: a point every few pixels of its canvas. @param {any} u */
function pointsOf(u) {
  const [xs, ...columns] = u.data;
  /** @type {[number, number][]} */
  const found = [];
  for (const column of columns) {
    /** @type {[number, number] | null} */
    let before = null;
    column.forEach((/** @type {number | null | undefined} */ value, /** @type {number} */ i) => {
      if (value === undefined) return;
      /** @type {[number, number] | null} */
      const point = value === null ? null : [u.valToPos(xs[i], "x", true), u.valToPos(value, "y", true)];
      if (point && before) between(before, point, found);
      if (point) found.push(point);
      before = point;
    });
  }
  return found;
}

/** @param {[number, number]} from @param {[number, number]} to @param {[number, number][]} found */
function between(from, to, found) {
  const steps = Math.floor(Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])) / (EVERY_PX * devicePixelRatio));
  for (let step = 1; step < steps; step += 1) {
    found.push([from[0] + ((to[0] - from[0]) * step) / steps, from[1] + ((to[1] - from[1]) * step) / steps]);
  }
}
