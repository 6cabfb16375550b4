// One strip: a metric over time on uPlot, in Telara's look. Colours come from the theme; nothing is ever joined across
// a gap. All times are seconds since 1970, UTC; what is written is by the clock of whoever reads it.

import { faded, uPlot } from "./chart.js";
import { local, zone } from "./clock.js";
import { LimitNames } from "./limit_names.js";
import { colour } from "./severity.js";
import { drawBars, drawPairs, drawPoints, drawStages } from "./strip_kinds.js";
import { drawInEpisodes, drawLast, drawLimits, drawMark, drawNotes, drawSpan, drawUsual, gapsOf, hatch } from "./strip_layers.js";

/** @typedef {{at: number[], avg: (number | null)[], min?: (number | null)[], max?: (number | null)[],
 *   hits?: boolean[], doubts?: string[]}} Points
 *  @typedef {{value: number, label: string, severity?: string, clears?: boolean}} Limit
 *  @typedef {{from: number, to: number, severity: string, technical?: boolean, id?: string}} Span
 *  @typedef {{at: number[], low: (number | null)[], high: (number | null)[]}} Band from each time until the next
 *  @typedef {{since: number, until: number, axis: [number, number], lines: Points[], gapAfter: number,
 *   kind?: "line" | "bars" | "pairs" | "stages", stages?: (string | null)[], limits?: Limit[], spans?: Span[],
 *   marks?: {at: number, label: string}[], notes?: number[], decimals?: number, quiet?: boolean, band?: Band | null}} Content
 *  @typedef {{index: number, from: number, to: number}} Gap
 *  @typedef {{height: number, sync?: string, times?: boolean, label: string,
 *   onCursor?: (at: number | null, text: string) => void, onZoom?: (range: [number, number] | null) => void,
   onPick?: (at: number, top: boolean) => void}} Look */

const FONT = "11px system-ui, sans-serif";
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** The width of the value axis: the same for every strip, so that their times stand above each other. */
const AXIS = 44;
const END = 68; // of the last value: 195/127, 1,240
/** How far down from its top the edge of an episode is a target. */
const EDGE_PX = 22;

export class Chart {
  /** @param {HTMLElement} element @param {Content} content @param {Look} look */
  constructor(element, content, look) {
    this.element = element;
    this.look = look;
    this.content = content;
    this._names = new LimitNames();
    this._plot = new uPlot(this._options(), this._data(), element);
    this._observer = new ResizeObserver(() => this._resize());
    this._observer.observe(element);
    this._repaint = () => this._plot.redraw(false, true);
    addEventListener("telara:theme", this._repaint);
  }

  /** Nobody looks at it any more. */
  remove() {
    this._observer.disconnect();
    removeEventListener("telara:theme", this._repaint);
    this._plot.destroy();
  }

  /** @param {Content} content */
  show(content) {
    const zoomed = this._zoomed();
    this.content = content;
    this._plot.setData(this._data(), !zoomed);
    if (zoomed) this._plot.redraw();
  }

  /** Shows a part of the stretch. @param {[number, number]} range */
  zoom([min, max]) {
    this._plot.setScale("x", { min, max });
  }

  /** Shows all of it again. */
  unzoom() {
    this.zoom([this.content.since, this.content.until]);
  }

  _zoomed() {
    const { min, max } = this._plot.scales.x;
    return Math.abs((min ?? 0) - this.content.since) > 1 || Math.abs((max ?? 0) - this.content.until) > 1;
  }

  _resize() {
    const width = this.element.clientWidth;
    if (width && width !== this._plot.width) this._plot.setSize({ width, height: this.look.height });
  }

  /** uPlot's columns: times, then lowest, highest and average of each line, with an empty point inside every gap. */
  _data() {
    const { since, until, lines, gapAfter } = this.content;
    this.gaps = gapsOf(lines[0]?.at ?? [], gapAfter);
    const at = [...(lines[0]?.at ?? [])];
    const columns = lines.flatMap((line) => [[...(line.min ?? line.avg)], [...(line.max ?? line.avg)], [...line.avg]]);
    for (const gap of [...this.gaps].reverse()) {
      at.splice(gap.index, 0, (gap.from + gap.to) / 2);
      for (const column of columns) column.splice(gap.index, 0, null);
    }
    if (!at.length) return [[since, until], ...columns.map(() => [null, null])];
    return [at, ...columns];
  }

  /** @returns {any} */
  _options() {
    const { lines, kind = "line" } = this.content;
    const drawn = kind === "line";
    const hidden = { stroke: "transparent", width: 0, points: { show: false }, paths: () => null };
    const visible = { ...hidden, width: 0 };
    return {
      width: this.element.clientWidth || 320,
      height: this.look.height,
      tzDate: (/** @type {number} */ at) => uPlot.tzDate(new Date(at * 1000), zone), // the browser may be elsewhere
      legend: { show: false },
      padding: [14, END, this.look.times ? 0 : 4, 0],
      cursor: {
        y: false,
        points: { size: 7, width: 1.5, fill: () => colour("surface-1"), stroke: () => colour("text") },
        drag: { x: true, y: false, setScale: true },
        sync: this.look.sync ? { key: this.look.sync, scales: ["x", null] } : undefined,
      },
      scales: {
        x: { time: true, range: (/** @type {any} */ plot, /** @type {number} */ low, /** @type {number} */ high) => this._span(plot, low, high) },
        y: { range: () => this._range() },
      },
      axes: [
        {
          show: true,
          size: this.look.times ? 24 : 0,
          font: FONT,
          stroke: () => colour("text-3"),
          grid: { show: false },
          ticks: { show: false },
          space: 90,
          values: (/** @type {any} */ plot, /** @type {number[]} */ splits) => (this.look.times ? timesOf(plot, splits) : splits.map(() => "")),
        },
        {
          size: AXIS,
          font: FONT,
          gap: 6,
          space: 28,
          stroke: () => colour("text-3"),
          grid: { stroke: () => colour("grid"), width: 1 },
          ticks: { show: false },
          splits: kind === "stages" ? () => [] : undefined,
        },
      ],
      series: [
        {},
        ...lines.flatMap((_, place) => [
          { ...hidden, ...(drawn ? { paths: undefined } : {}) },
          { ...hidden, ...(drawn ? { paths: undefined } : {}) },
          drawn
            ? { stroke: () => colour(place ? `line-${place + 1}` : "data"), width: 1.5, points: { show: false } }
            : visible,
        ]),
      ],
      bands: drawn ? lines.map((_, place) => ({ series: [place * 3 + 2, place * 3 + 1], fill: () => faded(colour("data"), 0.2) })) : [],
      hooks: {
        drawClear: [(/** @type {any} */ plot) => this._behind(plot)],
        draw: [(/** @type {any} */ plot) => this._above(plot)],
        setCursor: [(/** @type {any} */ plot) => this._cursor(plot)],
        setSelect: [(/** @type {any} */ plot) => this._selected(plot)],
        ready: [(/** @type {any} */ plot) => this._listen(plot)],
      },
    };
  }

  /** Says what part of the stretch was dragged over. @param {any} plot */
  _selected(plot) {
    const { left, width } = plot.select;
    if (width > 0) this.look.onZoom?.([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
  }

  /** A click that is no drag picks a moment; `top` where it is on the edge that marks an episode. @param {any} plot */
  _listen(plot) {
    let from = 0;
    plot.over.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => (from = event.clientX));
    plot.over.addEventListener("dblclick", () => this.look.onZoom?.(null));
    plot.over.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      if (Math.abs(event.clientX - from) > 3) return;
      const box = plot.over.getBoundingClientRect();
      this.look.onPick?.(plot.posToVal(event.clientX - box.left, "x"), event.clientY - box.top < EDGE_PX);
    });
  }

  /** @param {any} _plot @param {number} low @param {number} high */
  _span(_plot, low, high) {
    const { since, until } = this.content;
    const at = this.content.lines[0]?.at ?? [];
    const whole = low === undefined || low === null || !at.length || (low <= at[0] && high >= at[at.length - 1]);
    return whole ? [since, until] : [low, high];
  }

  /** @returns {[number, number]} */
  _range() {
    let [low, high] = this.content.axis;
    for (const line of this.content.lines) {
      for (const value of line.min ?? line.avg) if (value !== null && value < low) low = Math.floor(value);
      for (const value of line.max ?? line.avg) if (value !== null && value > high) high = Math.ceil(value);
    }
    return [low, high];
  }

  /** @param {any} plot */
  _behind(plot) {
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    const { content, gaps } = this;
    drawUsual(plot, content);
    if ((content.kind ?? "line") === "line") for (const gap of gaps) hatch(plot, gap.from, gap.to);
    for (const span of content.spans ?? []) drawSpan(plot, span);
    ctx.restore();
  }

  /** @param {any} plot */
  _above(plot) {
    const { content, gaps } = this;
    const { ctx, bbox } = plot;
    const kind = content.kind ?? "line";
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left - 3, bbox.top, bbox.width + 6, bbox.height);
    ctx.clip();
    if (kind === "line") drawInEpisodes(plot, content);
    if (kind === "bars") drawBars(plot, content, this._range()[0]);
    if (kind === "pairs") drawPairs(plot, content);
    if (kind === "stages") drawStages(plot, content);
    if (kind === "line") drawPoints(plot, content, gaps);
    drawNotes(plot, content.notes ?? []);
    ctx.restore();
    drawLimits(plot, content, this._range(), this._names);
    for (const mark of content.marks ?? []) drawMark(plot, mark);
    drawLast(plot, content);
  }

  /** @param {any} plot */
  _cursor(plot) {
    const { onCursor } = this.look;
    if (!onCursor) return;
    const { left } = plot.cursor;
    if (left === undefined || left < 0) {
      onCursor(null, "");
      return;
    }
    const at = plot.posToVal(left, "x");
    onCursor(at, this.textAt(at));
  }

  /** What the strip says of a moment; "no data" inside a gap. @param {number} at */
  textAt(at) {
    const { lines, gapAfter, kind, stages, decimals = 0 } = this.content;
    const times = lines[0]?.at ?? [];
    let nearest = -1;
    times.forEach((each, place) => {
      if (nearest < 0 || Math.abs(each - at) < Math.abs(times[nearest] - at)) nearest = place;
    });
    if (nearest < 0 || Math.abs(times[nearest] - at) > gapAfter) return "no data";
    if (kind === "stages") return stages?.[nearest] ?? "no data";
    const doubt = lines.map((line) => line.doubts?.[nearest]).find(Boolean);
    return lines.map((line) => line.avg[nearest]?.toFixed(decimals) ?? "–").join("/") + (doubt ? ` (${doubt})` : "");
  }
}

/** Times of an axis, by this person's clock: as fine as the stretch it shows. @param {any} plot @param {number[]} splits */
function timesOf(plot, splits) {
  const length = (plot.scales.x.max ?? 0) - (plot.scales.x.min ?? 0);
  return splits.map((at) => timeText(at, length));
}

/** @param {number} at @param {number} length seconds that the page shows */
export function timeText(at, length) {
  const time = local(at * 1000);
  const clock = time.toISOString().slice(11, length <= 1800 ? 19 : 16);
  if (length <= 172_800) return clock;
  const day = `${time.getUTCDate()} ${MONTHS[time.getUTCMonth()]}`;
  return length > 1_000_000 || clock === "00:00" ? day : `${day} ${clock}`;
}
