// One strip: a metric over time on uPlot, in Telara's look. Colours come from the theme; nothing is ever joined across
// a gap. All times are seconds since 1970, UTC.

import { drawShape, faded, haloText, uPlot } from "./chart.js";
import { colour } from "./severity.js";

/** @typedef {{at: number[], avg: (number | null)[], min?: (number | null)[], max?: (number | null)[],
 *   hits?: boolean[], doubts?: string[]}} Points
 *  @typedef {{value: number, label: string, severity?: string, clears?: boolean}} Limit
 *  @typedef {{from: number, to: number, severity: string, technical?: boolean, href?: string}} Span
 *  @typedef {{at: number[], low: (number | null)[], high: (number | null)[]}} Band from each time until the next
 *  @typedef {{since: number, until: number, axis: [number, number], lines: Points[], gapAfter: number,
 *   kind?: "line" | "bars" | "pairs" | "stages", stages?: (string | null)[], limits?: Limit[], spans?: Span[],
 *   marks?: {at: number, label: string}[], decimals?: number, quiet?: boolean, band?: Band | null}} Content
 *  @typedef {{height: number, sync?: string, times?: boolean, label: string,
 *   onCursor?: (at: number | null, text: string) => void}} Look */

const FONT = "11px system-ui, sans-serif";
const STAGES = ["awake", "rem", "light", "deep"];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** The width of the value axis: the same for every strip, so that their times stand above each other. */
const AXIS = 44;

export class Chart {
  /** @param {HTMLElement} element @param {Content} content @param {Look} look */
  constructor(element, content, look) {
    this.element = element;
    this.look = look;
    this.content = content;
    this._plot = new uPlot(this._options(), this._data(), element);
    new ResizeObserver(() => this._resize()).observe(element);
    addEventListener("telara:theme", () => this._plot.redraw(false, true));
  }

  /** @param {Content} content */
  show(content) {
    const zoomed = this._zoomed();
    this.content = content;
    this._plot.setData(this._data(), !zoomed);
    if (zoomed) this._plot.redraw();
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
      legend: { show: false },
      padding: [14, 44, this.look.times ? 0 : 4, 0],
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
      },
    };
  }

  /** @param {any} _plot @param {number} low @param {number} high */
  _span(_plot, low, high) {
    const { since, until } = this.content;
    const at = this.content.lines[0]?.at ?? [];
    const whole = low === undefined || low === null || !at.length || (low <= at[0] && high >= at[at.length - 1]);
    return whole ? [since, until] : [low, high];
  }

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
    this._usual(plot);
    if ((this.content.kind ?? "line") === "line") for (const gap of this.gaps) hatch(plot, gap.from, gap.to);
    for (const span of this.content.spans ?? []) this._episode(plot, span);
    ctx.restore();
  }

  /** What is usual for the hour, behind everything. @param {any} plot */
  _usual(plot) {
    const { band, until } = this.content;
    plot.ctx.fillStyle = faded(colour("ok"), 0.13);
    band?.at.forEach((at, place) => {
      const [low, high] = [band.low[place], band.high[place]];
      if (low === null || high === null) return;
      const [x, y] = [plot.valToPos(at, "x", true), plot.valToPos(high, "y", true)];
      const end = plot.valToPos(Math.min(band.at[place + 1] ?? until, until), "x", true);
      // whole pixels: between two hours neither a seam nor a darker line
      if (end > x) plot.ctx.fillRect(Math.round(x), y, Math.round(end) - Math.round(x), plot.valToPos(low, "y", true) - y);
    });
  }

  /** @param {any} plot @param {Span} span */
  _episode(plot, span) {
    const { ctx, bbox } = plot;
    const from = plot.valToPos(span.from, "x", true);
    const to = Math.max(plot.valToPos(span.to, "x", true), from + 2 * uPlot.pxRatio);
    const paint = colour(span.technical ? "text-3" : span.severity);
    const weight = span.severity === "CRITICAL" ? 0.16 : span.severity === "HIGH" ? 0.12 : 0.07;
    ctx.fillStyle = faded(paint, weight);
    ctx.fillRect(from, bbox.top, to - from, bbox.height);
    ctx.fillStyle = paint;
    ctx.fillRect(from, bbox.top, to - from, 2 * uPlot.pxRatio);
    if (to - from > 14 * uPlot.pxRatio && !span.technical) drawShape(plot, span);
  }

  /** @param {any} plot */
  _above(plot) {
    const { ctx, bbox } = plot;
    const kind = this.content.kind ?? "line";
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left - 3, bbox.top, bbox.width + 6, bbox.height);
    ctx.clip();
    if (kind === "line") this._inEpisodes(plot);
    if (kind === "bars") this._bars(plot);
    if (kind === "pairs") this._pairs(plot);
    if (kind === "stages") this._stages(plot);
    if (kind === "line") this._points(plot);
    ctx.restore();
    this._limits(plot);
    for (const mark of this.content.marks ?? []) this._mark(plot, mark);
    this._last(plot);
  }

  /** The line again, thicker and in the colour of the episode it runs through. @param {any} plot */
  _inEpisodes(plot) {
    const { ctx, bbox } = plot;
    for (const span of this.content.spans ?? []) {
      if (span.severity === "LOW" || span.severity === "INFO" || span.technical) continue;
      ctx.save();
      ctx.beginPath();
      const from = plot.valToPos(span.from, "x", true);
      ctx.rect(from, bbox.top, Math.max(plot.valToPos(span.to, "x", true) - from, 1), bbox.height);
      ctx.clip();
      ctx.strokeStyle = colour(span.severity);
      ctx.lineWidth = 2.2 * uPlot.pxRatio;
      for (let series = 3; series < plot.series.length; series += 3) {
        const path = plot.series[series]._paths?.stroke;
        if (path) ctx.stroke(path);
      }
      ctx.restore();
    }
  }

  /** Dots: readings that fired, hollow where in doubt, open ends at gaps. @param {any} plot */
  _points(plot) {
    const { ctx } = plot;
    const paint = colour(this.content.spans?.[0]?.severity ?? "data");
    const hits = this.content.lines[0]?.hits?.filter(Boolean).length ?? 0;
    const radius = Math.max(1, Math.min(3, plot.bbox.width / uPlot.pxRatio / hits / 2));
    for (const line of this.content.lines) {
      line.at.forEach((at, place) => {
        const value = line.avg[place];
        if (value === null) return;
        const doubt = line.doubts?.[place];
        if (line.hits?.[place]) dot(plot, at, value, doubt ? Math.max(radius, 2.4) : radius, doubt ? colour("surface-1") : paint, paint);
        else if (doubt) dot(plot, at, value, 2.4, colour("surface-1"), colour("data"));
        else if (line.at.length === 1 || this._standsAlone(place)) dot(plot, at, value, 1.6, colour("data"), colour("data"));
      });
    }
    for (const gap of this.gaps) {
      for (const line of this.content.lines) {
        for (const [at, value] of /** @type {[number, number | null][]} */ ([[gap.from, line.avg[gap.index - 1]], [gap.to, line.avg[gap.index]]])) {
          if (value !== null && value !== undefined) dot(plot, at, value, 2.2, colour("surface-1"), colour("data"));
        }
      }
    }
    ctx.setLineDash([]);
  }

  /** @param {number} place */
  _standsAlone(place) {
    const ends = this.gaps.map((gap) => gap.index);
    return (place === 0 || ends.includes(place)) && (place === this.content.lines[0].at.length - 1 || ends.includes(place + 1));
  }

  /** @param {any} plot */
  _bars(plot) {
    const { ctx } = plot;
    const line = this.content.lines[0];
    if (!line) return;
    ctx.fillStyle = colour("data-quiet");
    const floor = plot.valToPos(this._range()[0], "y", true);
    const width = Math.max(1, Math.min(4, (plot.bbox.width / Math.max(line.at.length, 60)) * 0.7)) ;
    line.at.forEach((at, place) => {
      const value = line.avg[place];
      if (!value) return;
      const top = plot.valToPos(value, "y", true);
      ctx.fillRect(plot.valToPos(at, "x", true) - width / 2, top, width, floor - top);
    });
  }

  /** A bar from the second line to the first: diastolic to systolic; hollow where in doubt. @param {any} plot */
  _pairs(plot) {
    const { ctx } = plot;
    const [high, low] = this.content.lines;
    if (!high || !low) return;
    const width = 4 * uPlot.pxRatio;
    high.at.forEach((at, place) => {
      const [top, bottom] = [high.avg[place], low.avg[place]];
      if (top === null || bottom === null || bottom === undefined) return;
      const span = (this.content.spans ?? []).find((each) => at >= each.from - 1 && at <= each.to + 1 && !each.technical);
      const paint = colour(span ? span.severity : "data");
      const [x, y] = [plot.valToPos(at, "x", true) - width / 2, plot.valToPos(top, "y", true)];
      const height = Math.max(plot.valToPos(bottom, "y", true) - y, 1);
      ctx.fillStyle = high.doubts?.[place] ? colour("surface-1") : paint;
      ctx.strokeStyle = paint;
      ctx.lineWidth = uPlot.pxRatio;
      ctx.fillRect(x, y, width, height);
      if (high.doubts?.[place]) ctx.strokeRect(x, y, width, height);
    });
  }

  /** A strip of blocks: from the top awake, REM, light, deep. @param {any} plot */
  _stages(plot) {
    const { ctx, bbox } = plot;
    const line = this.content.lines[0];
    const row = bbox.height / STAGES.length;
    const paints = { awake: colour("surface-3"), rem: colour("sleep-rem"), light: colour("sleep-light"), deep: colour("sleep-deep") };
    const usual = line && line.at.length > 1 ? this.content.gapAfter / 3 : 60;
    line?.at.forEach((at, place) => {
      const stage = this.content.stages?.[place] ?? "";
      const level = STAGES.indexOf(stage);
      if (level < 0) return;
      const next = line.at[place + 1];
      const until = next !== undefined && next - at <= this.content.gapAfter ? next : at + usual;
      const from = plot.valToPos(at, "x", true);
      ctx.fillStyle = paints[/** @type {keyof typeof paints} */ (stage)];
      ctx.fillRect(from, bbox.top + level * row, Math.max(plot.valToPos(until, "x", true) - from, 1), row - 1);
    });
  }

  /** @param {any} plot */
  _limits(plot) {
    const { ctx, bbox } = plot;
    const [low, high] = this._range();
    const used = /** @type {number[]} */ ([]);
    for (const limit of this.content.limits ?? []) {
      if (limit.value < low || limit.value > high) continue;
      const y = plot.valToPos(limit.value, "y", true);
      const paint = limit.clears ? colour("text-2") : colour(limit.severity ?? "high");
      ctx.save();
      ctx.strokeStyle = paint;
      ctx.lineWidth = (limit.clears ? 1.5 : 1) * uPlot.pxRatio;
      ctx.setLineDash((limit.clears ? [1.5, 3] : [5, 3]).map((each) => each * uPlot.pxRatio));
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.restore();
      const gap = 7 * uPlot.pxRatio;
      const above = !limit.clears && y - bbox.top > 18 * uPlot.pxRatio;
      let place = above ? y - gap : y + gap;
      while (used.some((each) => Math.abs(each - place) < 12 * uPlot.pxRatio)) place += (above ? -1 : 1) * 13 * uPlot.pxRatio;
      used.push(place);
      haloText(plot.ctx, limit.label, bbox.left + 6 * uPlot.pxRatio, place, paint, "left");
    }
  }

  /** @param {any} plot @param {{at: number, label: string}} mark */
  _mark(plot, mark) {
    const { ctx, bbox } = plot;
    const x = plot.valToPos(mark.at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.save();
    ctx.strokeStyle = colour("text-2");
    ctx.lineWidth = 1.5 * uPlot.pxRatio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + 18 * uPlot.pxRatio);
    ctx.lineTo(x, bbox.top + 52 * uPlot.pxRatio);
    ctx.stroke();
    ctx.restore();
    ctx.font = `600 ${11 * uPlot.pxRatio}px system-ui, sans-serif`;
    const room = bbox.left + bbox.width - ctx.measureText(mark.label).width - 6 * uPlot.pxRatio;
    const start = Math.max(bbox.left, Math.min(x + 6 * uPlot.pxRatio, room));
    haloText(plot.ctx, mark.label, start, bbox.top + 26 * uPlot.pxRatio, colour("text"), "left");
  }

  /** The last value: a dot, and its number at the right end. @param {any} plot */
  _last(plot) {
    const kind = this.content.kind ?? "line";
    if (kind === "stages") return;
    const ends = this.content.lines.map((line) => {
      for (let place = line.at.length - 1; place >= 0; place -= 1) {
        if (line.avg[place] !== null) return { at: line.at[place], value: /** @type {number} */ (line.avg[place]), doubt: line.doubts?.[place] };
      }
      return null;
    });
    const first = ends[0];
    if (!first || first.at > (plot.scales.x.max ?? 0)) return;
    const text = ends.map((end) => end?.value.toFixed(this.content.decimals ?? 0)).join("/");
    const span = (this.content.spans ?? []).find((each) => first.at >= each.from && first.at <= each.to + 1 && !each.technical);
    const paint = kind === "line" && span && span.severity !== "LOW" ? colour(span.severity) : colour("text");
    if (kind === "line") for (const end of ends) if (end) dot(plot, end.at, end.value, 2.4, end.doubt ? colour("surface-1") : paint, paint);
    const x = plot.bbox.left + plot.bbox.width + 8 * uPlot.pxRatio;
    haloText(plot.ctx, text, x, plot.valToPos(first.value, "y", true), paint);
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

/**
 * Stretches without a value that are longer than `after` seconds; `index` is that of the point behind it.
 * @param {number[]} at @param {number} after
 */
export function gapsOf(at, after) {
  const gaps = [];
  for (let index = 1; index < at.length; index += 1) {
    if (at[index] - at[index - 1] > after) gaps.push({ index, from: at[index - 1], to: at[index] });
  }
  return gaps;
}

/** @param {any} plot @param {number} from @param {number} to */
function hatch(plot, from, to) {
  const { ctx, bbox } = plot;
  const [x, end] = [plot.valToPos(from, "x", true), plot.valToPos(to, "x", true)];
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, bbox.top, end - x, bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour("line");
  ctx.lineWidth = uPlot.pxRatio;
  const step = 6 * uPlot.pxRatio;
  ctx.beginPath();
  for (let start = x - bbox.height; start < end; start += step) {
    ctx.moveTo(start, bbox.top + bbox.height);
    ctx.lineTo(start + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
  if (end - x > 70 * uPlot.pxRatio) haloText(plot.ctx, `no data ${lengthOf(to - from)}`, (x + end) / 2, bbox.top + 10 * uPlot.pxRatio, colour("text-2"), "center");
}

/** @param {number} seconds */
function lengthOf(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** @param {any} plot @param {number} at @param {number} value @param {number} radius @param {string} fill @param {string} stroke */
function dot(plot, at, value, radius, fill, stroke) {
  const { ctx } = plot;
  ctx.beginPath();
  ctx.arc(plot.valToPos(at, "x", true), plot.valToPos(value, "y", true), radius * uPlot.pxRatio, 0, 2 * Math.PI);
  ctx.fillStyle = fill;
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 1.2 * uPlot.pxRatio;
  ctx.fill();
  ctx.stroke();
}

/** Times of an axis, UTC: as fine as the stretch it shows. @param {any} plot @param {number[]} splits */
function timesOf(plot, splits) {
  const length = (plot.scales.x.max ?? 0) - (plot.scales.x.min ?? 0);
  return splits.map((at) => timeText(at, length));
}

/** @param {number} at @param {number} length seconds that the page shows */
export function timeText(at, length) {
  const time = new Date(at * 1000);
  const clock = time.toISOString().slice(11, length <= 1800 ? 19 : 16);
  if (length <= 172_800) return clock;
  const day = `${time.getUTCDate()} ${MONTHS[time.getUTCMonth()]}`;
  return length > 1_000_000 || clock === "00:00" ? day : `${day} ${clock}`;
}
