// One chart of the overview: a metric of at most six people over the last five minutes.

import { age, now } from "./clock.js";
import {
  drawDot,
  drawEpisode,
  drawHatch,
  drawPiece,
  drawShape,
  drawThreshold,
  movedApart,
  rangeFor,
  severityColour,
  uPlot,
} from "./chart.js";
import { colour, rank } from "./severity.js";

export const WINDOW_MS = 5 * 60_000;
const LABEL_PX = 80;
const LABEL_LEAST_PX = 13;

/** @typedef {{id: string, short: string, name: string, t: number[], values: (number | null)[], doubtful: boolean[], gapMs: number}} Line */
/** @typedef {{user_id: string, metrics: string[], severity: string, from: string, to: string | null}} Episode */

export class RollingChart {
  /**
   * @param {HTMLElement} figure holds `.chart` and `.chart-summary`
   * @param {{title: string, unit: string}} words
   */
  constructor(figure, words) {
    this.figure = figure;
    this.words = words;
    this.plotElement = /** @type {HTMLElement} */ (figure.querySelector(".chart"));
    this.summary = /** @type {HTMLElement} */ (figure.querySelector(".chart-summary"));
    /** @type {Line[]} */
    this.lines = [];
    /** @type {Episode[]} */
    this.episodes = [];
    /** @type {import("./chart.js").Threshold[]} */
    this.thresholds = [];
    /** @type {[number, number]} */
    this.axis = [0, 100];
    this.decimals = 0;
    this.metric = "";
    this.grey = false;
    this.heardAt = 0;
    /** @type {uPlot | null} */
    this.plot = null;
    this._size = "";
    new ResizeObserver(() => this._resize()).observe(this.plotElement);
  }

  /** Draws what the fields now say. */
  draw() {
    const at = now();
    this._since = (at - WINDOW_MS) / 1000;
    this._until = at / 1000;
    this._data = joined(this.lines, at);
    if (!this.plot || this.plot.series.length !== this.lines.length + 1) this._make();
    const plot = /** @type {uPlot} */ (this.plot);
    this.lines.forEach((_, i) => {
      plot.series[i + 1].stroke = () => this._calm(i);
    });
    plot.setData(/** @type {any} */ (this._data), false);
    plot.batch(() => {
      plot.setScale("x", { min: /** @type {number} */ (this._since), max: /** @type {number} */ (this._until) });
      const [min, max] = rangeFor(this.axis, this.lines.flatMap((line) => line.values.filter((v) => v !== null)));
      plot.setScale("y", { min, max });
    });
    this._label();
    this._summarise();
  }

  /** Forgets the colours that are drawn: the theme changed. */
  repaint() {
    this.plot?.destroy();
    this.plot = null;
    this.draw();
  }

  _calm(/** @type {number} */ i) {
    return this.grey ? colour("text-3") : colour(`line-${(i % 6) + 1}`);
  }

  _make() {
    this.plot?.destroy();
    const axis = { stroke: () => colour("text-3"), font: `11px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width: Math.max(120, this.plotElement.clientWidth),
        height: this.plotElement.clientHeight || 140,
        padding: [6, LABEL_PX, 0, 0],
        cursor: { show: false },
        select: { show: false, left: 0, top: 0, width: 0, height: 0 },
        legend: { show: false },
        scales: { x: { time: false, auto: false }, y: { auto: false } },
        axes: [
          { ...axis, size: 22, gap: 3, grid: { show: false }, values: (_, at) => at.map(() => "") },
          {
            ...axis,
            size: 30,
            gap: 4,
            grid: { stroke: () => colour("grid"), width: 1 },
            space: 24,
            values: (_, at) => at.map((y) => String(Math.round(y * 10) / 10)),
          },
        ],
        series: [{}, ...this.lines.map((_, i) => ({ stroke: () => this._calm(i), width: 1.5, points: { show: false }, spanGaps: false }))],
        hooks: { drawAxes: [(u) => this._under(u)], draw: [(u) => this._over(u), (u) => this._times(u)] },
      },
      /** @type {any} */ (this._data),
      this.plotElement,
    );
  }

  _resize() {
    const size = `${this.plotElement.clientWidth}x${this.plotElement.clientHeight}`;
    if (!this.plot || size === this._size || !this.plotElement.clientWidth) return;
    this._size = size;
    this.plot.setSize({ width: this.plotElement.clientWidth, height: this.plotElement.clientHeight });
    this._label();
  }

  /** The x axis: the first word left-aligned and the last right-aligned, so that they stay within the plot. */
  _times(/** @type {uPlot} */ u) {
    const { ctx, bbox } = u;
    const y = bbox.top + bbox.height + 11 * devicePixelRatio;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.fillStyle = colour("text-3");
    ctx.textBaseline = "middle";
    const narrow = bbox.width / devicePixelRatio < 300;
    for (const minutes of narrow ? [5, 3, 2, 1, 0] : [5, 4, 3, 2, 1, 0]) {
      const x = bbox.left + (bbox.width * (5 - minutes)) / 5;
      ctx.textAlign = minutes === 5 ? "left" : minutes ? "center" : "right";
      ctx.fillText(minutes === 5 ? "5 min ago" : minutes ? String(minutes) : "now", x, y);
    }
    ctx.restore();
  }

  /** The stretches of an episode of this metric, worst first. */
  _spans() {
    return this.episodes
      .filter((each) => each.metrics.includes(this.metric) && this.lines.some((line) => line.id === each.user_id))
      .map((each) => ({
        user: each.user_id,
        severity: each.severity,
        from: Date.parse(each.from) / 1000,
        to: each.to ? Date.parse(each.to) / 1000 : (this.grey ? this.heardAt / 1000 : /** @type {number} */ (this._until)),
        firing: !each.to,
      }))
      .filter((span) => span.to > /** @type {number} */ (this._since))
      .sort((a, b) => rank(a.severity) - rank(b.severity));
  }

  _under(/** @type {uPlot} */ u) {
    const [worst] = this._spans();
    if (this.grey) drawHatch(u, this.heardAt / 1000, /** @type {number} */ (this._until));
    if (worst) drawEpisode(u, worst, this.grey);
  }

  _over(/** @type {uPlot} */ u) {
    const spans = this._spans();
    const xs = /** @type {number[]} */ (u.data[0]);
    for (const threshold of this.thresholds) drawThreshold(u, threshold, this.grey);
    for (const span of spans) {
      const i = this.lines.findIndex((line) => line.id === span.user);
      if (rank(span.severity) < rank("LOW")) {
        drawPiece(u, xs, /** @type {any} */ (u.data[i + 1]), span.from, span.to, severityColour(span.severity, this.grey));
      }
    }
    if (spans[0]) drawShape(u, spans[0], this.grey);
    this.lines.forEach((line, i) => this._ends(u, line, this._paint(line, i)));
  }

  /** Open dots at values in doubt and at the ends of a gap, a dot at the last value, and a thin line from it to its label. */
  _ends(/** @type {uPlot} */ u, /** @type {Line} */ line, /** @type {string} */ paint) {
    const points = line.t.map((t, i) => ({ t, y: line.values[i], open: line.doubtful[i] })).filter((point) => point.y !== null);
    for (const point of points) if (point.open) drawDot(u, point.t / 1000, /** @type {number} */ (point.y), paint, true);
    points.forEach((point, i) => {
      const next = points[i + 1];
      if (!next || next.t - point.t <= line.gapMs) return;
      drawDot(u, point.t / 1000, /** @type {number} */ (point.y), paint, true);
      drawDot(u, next.t / 1000, /** @type {number} */ (next.y), paint, true);
    });
    const last = points.at(-1);
    if (!last) return;
    drawDot(u, last.t / 1000, /** @type {number} */ (last.y), paint, last.open);
    const label = this._tops?.get(line.id);
    if (label === undefined) return;
    const { ctx, bbox } = u;
    ctx.save();
    ctx.strokeStyle = colour("control");
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(Math.max(bbox.left, u.valToPos(last.t / 1000, "x", true)) + 4 * devicePixelRatio, u.valToPos(/** @type {number} */ (last.y), "y", true));
    ctx.lineTo(bbox.left + bbox.width + 11 * devicePixelRatio, label * devicePixelRatio);
    ctx.stroke();
    ctx.restore();
  }

  /** The colour of a line's end: its severity while an episode fires, else its calm colour. */
  _paint(/** @type {Line} */ line, /** @type {number} */ i) {
    const firing = this._spans().find((span) => span.user === line.id && span.firing && rank(span.severity) < rank("LOW"));
    return firing ? severityColour(firing.severity, this.grey) : this._calm(i);
  }

  /** Names the lines at their right end, moved apart; the names lead to the wearers. */
  _label() {
    const u = this.plot;
    if (!u) return;
    const ends = this.lines
      .map((line, i) => ({ line, paint: this._paint(line, i), y: lastOf(line) }))
      .filter((end) => end.y !== null);
    const height = u.over.clientHeight;
    const top = u.over.offsetTop;
    const tops = movedApart(ends.map((end) => u.valToPos(/** @type {number} */ (end.y), "y")), LABEL_LEAST_PX, 6, height - 4);
    this._tops = new Map(ends.map((end, i) => [end.line.id, tops[i] + top]));
    const labels = ends.map((end, i) => this._labelOf(end, tops[i] + top));
    for (const old of this.plotElement.querySelectorAll(".chart-label, .chart-none")) old.remove();
    this.plotElement.append(...labels);
    if (!ends.length) {
      const none = document.createElement("p");
      none.className = "chart-none caption";
      none.textContent = "not measured in the last 5 minutes";
      this.plotElement.append(none);
    }
    u.redraw(false, false);
  }

  /** @param {{line: Line, paint: string, y: number | null}} end @param {number} top */
  _labelOf({ line, paint, y }, top) {
    const link = document.createElement("a");
    link.className = `chart-label${paint.startsWith(colour("line-1").slice(0, 1)) && this._isFiring(line) ? " firing" : ""}`;
    link.href = `/wearers/${encodeURIComponent(line.id)}/`;
    link.title = line.name;
    link.style.top = `${top}px`;
    link.style.color = paint;
    const value = document.createElement("b");
    value.textContent = /** @type {number} */ (y).toFixed(this.decimals);
    link.append(`${line.short} `, value);
    return link;
  }

  _isFiring(/** @type {Line} */ line) {
    return this._spans().some((span) => span.user === line.id && span.firing && rank(span.severity) < rank("LOW"));
  }

  /** The same in words. */
  _summarise() {
    const parts = this.lines.map((line) => {
      const values = /** @type {number[]} */ (line.values.filter((v) => v !== null));
      if (!values.length) return `${line.name}: not measured`;
      const gaps = line.t.filter((t, i) => i > 0 && t - line.t[i - 1] > line.gapMs).length;
      const doubts = line.doubtful.filter((each, i) => each && line.values[i] !== null).length;
      const show = (/** @type {number} */ v) => v.toFixed(this.decimals);
      return `${line.name}: latest ${show(values[values.length - 1])}, lowest ${show(Math.min(...values))}, highest ${show(Math.max(...values))}${gaps ? `, ${gaps} gaps` : ""}${doubts ? `, ${doubts} in doubt` : ""}`;
    });
    const old = this.grey ? `As of ${age(now() - this.heardAt)} ago. ` : "";
    const text = `${old}${this.words.title}, ${this.words.unit}, last 5 minutes. ${parts.join(". ")}.`;
    if (this.summary.textContent !== text) this.summary.textContent = text;
  }
}

/** @param {Line} line */
const lastOf = (line) => line.values.findLast((value) => value !== null) ?? null;

/** The lines on one x axis, in seconds; a null stands where a line has a gap. @param {Line[]} lines @param {number} at */
function joined(lines, at) {
  if (!lines.length) return [[at / 1000]];
  const tables = lines.map((line) => {
    /** @type {number[]} */
    const xs = [];
    /** @type {(number | null)[]} */
    const ys = [];
    let before = NaN;
    line.t.forEach((t, i) => {
      if (line.values[i] === null) return;
      if (t - before > line.gapMs) {
        xs.push((before + 1) / 1000);
        ys.push(null);
      }
      xs.push(t / 1000);
      ys.push(line.values[i]);
      before = t;
    });
    return /** @type {any} */ ([xs, ys]);
  });
  return uPlot.join(tables, tables.map((table) => table.map(() => 2)));
}
