// One chart of the overview: a metric of at most six people over the last five minutes.

import { age, now } from "./clock.js";
import {
  drawDot,
  drawEpisode,
  drawHatch,
  drawLead,
  drawPiece,
  drawShape,
  drawThreshold,
  faded,
  rangeFor,
  severityColour,
  uPlot,
} from "./chart.js";
import { inWords, joined, lastOf, valueAt } from "./chart_lines.js";
import { LimitNames } from "./limit_names.js";
import { LineLabels, lineOf } from "./line_labels.js";
import { WINDOW_MS } from "./points.js";
import { colour, rank } from "./severity.js";

/** Right of the plot: the names, and the way to them. */
const LABEL_PX = 92;
const LEAD_PX = 19;
const NEAR_PX = 16;
/** What is left of the other lines while one is picked. */
const DIMMED = 0.22;

/** @typedef {import("./chart_lines.js").Line} Line */
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
    /** Whose line is pointed at, or has its label focused: the others stand back. */
    this.picked = "";
    /** @type {uPlot | null} */
    this.plot = null;
    this._size = "";
    this._limits = new LimitNames();
    this._labels = new LineLabels(this.plotElement);
    new ResizeObserver(() => this._resize()).observe(this.plotElement);
    this._follow();
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
    return this._stood(this.lines[i], this.grey ? colour("text-3") : colour(`line-${(i % 6) + 1}`));
  }

  /** A paint as it is while another line may be picked. @param {Line | undefined} line @param {string} paint */
  _stood(line, paint) {
    return this.picked && line?.id !== this.picked ? faded(paint, DIMMED) : paint;
  }

  /** Picks the line that the pointer or the focus is at. */
  _follow() {
    this.plotElement.addEventListener("pointermove", (event) => {
      this._pick(lineOf(/** @type {Element} */ (event.target)) || this._nearest(event));
    });
    this.plotElement.addEventListener("pointerleave", () => this._pick(this._labels.focused()));
    this.plotElement.addEventListener("focusin", () => this._pick(this._labels.focused()));
    this.plotElement.addEventListener("focusout", () => this._pick(""));
  }

  /** Whose line is within NEAR_PX of the pointer, or nobody's. @param {PointerEvent} event */
  _nearest(event) {
    const u = this.plot;
    if (!u) return "";
    const over = u.over.getBoundingClientRect();
    const at = u.posToVal(event.clientX - over.left, "x");
    let best = { id: "", apart: NEAR_PX };
    for (const line of this.lines) {
      const value = valueAt(line, at * 1000);
      const apart = value === null ? Infinity : Math.abs(u.valToPos(value, "y") - (event.clientY - over.top));
      if (apart < best.apart) best = { id: line.id, apart };
    }
    return best.id;
  }

  /** @param {string} id */
  _pick(id) {
    if (id === this.picked) return;
    this.picked = id;
    const { plot } = this;
    this.lines.forEach((line, i) => {
      if (plot) plot.series[i + 1].width = line.id === id ? 2.4 : 1.5;
    });
    this._labels.stand(id);
    plot?.redraw(true, false);
  }

  _make() {
    this.plot?.destroy();
    const axis = { stroke: () => colour("text-3"), font: `11px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width: Math.max(120, this.plotElement.clientWidth),
        height: this.plotElement.clientHeight || 144,
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
    this._limits.begin(u);
    for (const threshold of this.thresholds) drawThreshold(u, threshold, this._limits, this.grey);
    for (const span of spans) {
      const i = this.lines.findIndex((line) => line.id === span.user);
      if (rank(span.severity) < rank("LOW")) {
        const paint = this._stood(this.lines[i], severityColour(span.severity, this.grey));
        drawPiece(u, xs, /** @type {any} */ (u.data[i + 1]), span.from, span.to, paint);
      }
    }
    if (spans[0]) drawShape(u, spans[0], this.grey);
    this.lines.forEach((line, i) => this._ends(u, line, this._paint(line, i)));
  }

  /** Open dots at values in doubt and at the ends of a gap, a dot at the last value, and the way from it to its label. */
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
    const label = this._labels.tops.get(line.id);
    const heard = this.grey ? this.heardAt : now();
    if (label === undefined || heard - last.t > line.gapMs) return; // nothing joins across a gap
    drawLead(u, { x: last.t / 1000, y: /** @type {number} */ (last.y) }, label, LEAD_PX, paint);
  }

  /** The colour of a line's end: its severity while an episode fires, else its calm colour. */
  _paint(/** @type {Line} */ line, /** @type {number} */ i) {
    const firing = this._firing(line);
    return firing ? this._stood(line, severityColour(firing.severity, this.grey)) : this._calm(i);
  }

  /** Names the lines at their right end. */
  _label() {
    const u = this.plot;
    if (!u) return;
    const ends = this.lines
      .map((line, i) => ({ line, y: lastOf(line), ...this._marked(line, i) }))
      .filter((end) => end.y !== null)
      .map((end) => ({ ...end, text: /** @type {number} */ (end.y).toFixed(this.decimals), at: u.valToPos(/** @type {number} */ (end.y), "y") }));
    this._labels.show(ends, u.over.offsetTop);
    this._labels.stand(this.picked);
    u.redraw(false, false);
  }

  /** @param {Line} line @param {number} i */
  _marked(line, i) {
    const firing = this._firing(line);
    const paint = this.grey ? "text-3" : firing ? firing.severity : `line-${(i % 6) + 1}`;
    return { firing: Boolean(firing), paint: colour(paint) };
  }

  /** The worst episode that fires of a line, above LOW. */
  _firing(/** @type {Line} */ line) {
    return this._spans().find((span) => span.user === line.id && span.firing && rank(span.severity) < rank("LOW"));
  }

  /** The same in words. */
  _summarise() {
    const old = this.grey ? `As of ${age(now() - this.heardAt)} ago. ` : "";
    const parts = this.lines.map((line) => inWords(line, this.decimals));
    const text = `${old}${this.words.title}, ${this.words.unit}, last 5 minutes. ${parts.join(". ")}.`;
    if (this.summary.textContent !== text) this.summary.textContent = text;
  }
}
