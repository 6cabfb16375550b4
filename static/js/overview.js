// The overview: applies what the socket says to the page, and takes over the parts of a newer snapshot.

import { age, now, refreshAges } from "./clock.js";
import { guardActions } from "./base.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { watchRevision } from "./revision.js";
import { RollingChart, WINDOW_MS } from "./rolling_chart.js";
import { inStep, rank } from "./severity.js";
import { showTechnicalSound, sound, soundMatters, startSound } from "./sound.js";
import { sparkline } from "./sparkline.js";
import { startLog } from "./threat_log.js";

/** @typedef {{t: number[]} & Record<string, (number | null)[]>} Points */

const main = /** @type {HTMLElement} */ (document.querySelector("main.overview"));
const isEmpty = main.classList.contains("is-empty");
const CHARTED = ["heart_rate", "hrv_ms", "spo2_percent", "body_temp_c", "skin_temp_c"];
const GROUPS = ["vitals", "activity"];
const ORDER_EVERY_MS = 10_000;

/** What the server said last: see dashboard/overview/board.py. */
let snapshot = JSON.parse(/** @type {HTMLElement} */ (document.querySelector("#snapshot")).textContent ?? "{}");
/** @type {Map<string, Points>} */
let points = new Map(Object.entries(snapshot.points));
/** @type {Map<string, HTMLElement[]>} */
let elements = new Map();
/** @type {Set<string>} */
const moved = new Set();
let wallChangedAt = performance.now();

const charts = [...document.querySelectorAll("[data-chart]")].map((figure) => {
  const element = /** @type {HTMLElement} */ (figure);
  const title = element.querySelector("h2")?.textContent ?? "";
  const chart = new RollingChart(element, { title, unit: element.querySelector(".caption")?.textContent ?? "" });
  chart.metric = element.dataset.chart ?? "";
  return chart;
});

const threatLog = startLog({ refresh: () => refresh({ own: true }) });
const revision = watchRevision(live, () => refresh());

// Vitals

/** @param {any} event the contract's event */
function vital(event) {
  if (isEmpty) {
    location.reload();
    return;
  }
  const id = event.user_id;
  const at = Date.parse(event.timestamp);
  const values = Object.assign({}, ...GROUPS.map((group) => event[group] ?? {}));
  addPoint(id, at, { ...values, flags: event.flags ?? 0 });
  for (const element of elements.get(id) ?? []) showValues(element, event, values);
  moved.add(id);
}

/** @param {string} id @param {number} at @param {Record<string, number>} values */
function addPoint(id, at, values) {
  const known = points.get(id);
  if (!known || at <= (known.t.at(-1) ?? 0)) return;
  const names = Object.keys(known).filter((name) => name !== "t");
  if (names.length === 1 && (values.heart_rate === undefined || at - (known.t.at(-1) ?? 0) < 4000)) return;
  known.t.push(at);
  for (const name of names) known[name].push(values[name] ?? null);
  while (known.t.length && known.t[0] < now() - WINDOW_MS - 10_000) {
    known.t.shift();
    for (const name of names) known[name].shift();
  }
}

/** @param {HTMLElement} element @param {any} event @param {Record<string, number>} values */
function showValues(element, event, values) {
  if (Date.parse(event.timestamp) < Date.parse(element.dataset.heard || "1970")) return;
  element.dataset.heard = event.timestamp;
  const aged = /** @type {HTMLElement | null} */ (element.querySelector("[data-age]"));
  if (aged) aged.dataset.age = event.timestamp;
  for (const shown of /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("[data-metric]"))) {
    const metric = shown.dataset.metric ?? "";
    const value = values[metric];
    if (value === undefined) continue;
    const text = value.toFixed(snapshot.decimals[metric] ?? 0) + (metric.endsWith("temp_c") ? "°" : "");
    if (shown.textContent !== text) shown.textContent = text;
    shown.title = event.doubts?.[metric] ?? "";
    shown.classList.toggle("suspect", Boolean(shown.title));
  }
}

// Alerts

/** Tone and words of a new alert above LOW; what is technical never interrupts. @param {any} alert the contract's alert */
function told(alert) {
  const technical = alert.class === "technical";
  sound(technical ? "technical" : alert.severity);
  const region = document.querySelector(alert.severity === "CRITICAL" && !technical ? "#announce-critical" : "#announce");
  if (region) region.textContent = `${technical ? "Technical, " : ""}${alert.severity}: ${alert.description}`;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let soon;

/** @param {any} alert the contract's alert */
function alerted(alert) {
  if (threatLog.patch(alert)) return;
  const isNew = alert.revision === 1 && alert.episode === "firing" && alert.status === "new";
  if (isNew && !alert.quiet && rank(alert.severity) < rank("LOW")) told(alert);
  soon ??= setTimeout(() => {
    soon = undefined;
    refresh();
  }, 250);
}

// The snapshot

let reading = false;
/** What was asked for while a snapshot was being read. @type {{own: boolean, all: boolean} | null} */
let again = null;

/**
 * Reads the page's parts anew and takes them over; the wall keeps its order while the pointer or the focus is in it, and
 * for 10 s after the last change. Raises an error if they cannot be read.
 * @param {{own?: boolean, all?: boolean}} [how] own: after an action of one's own; all: also what would wait
 */
async function refresh({ own = false, all = false } = {}) {
  if (reading) {
    again = { own: own || Boolean(again?.own), all: all || Boolean(again?.all) };
    return;
  }
  reading = true;
  try {
    const parts = await read();
    swap("#kpis", parts);
    threatLog.take(parts, { own: own || all });
    if (all || mayReorder()) takeWall(parts);
    else later();
    takeSnapshot(parts, all);
    settled();
  } finally {
    reading = false;
  }
  if (again) {
    const asked = again;
    again = null;
    await refresh(asked);
  }
}

async function read() {
  const state = new URLSearchParams(location.search);
  const response = await fetch(`${main.dataset.parts}?${state}`, { headers: { "X-Requested-With": "fetch" } });
  if (response.redirected) {
    location.reload();
    throw new Error("signed out");
  }
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** @param {string} selector @param {Document} parts */
function swap(selector, parts) {
  const fresh = parts.querySelector(selector);
  const old = document.querySelector(selector);
  if (fresh && old) old.replaceWith(document.adoptNode(fresh));
}

function mayReorder() {
  const wall = document.querySelector("#wall");
  if (!wall) return false;
  const busy = wall.matches(":hover") || wall.contains(document.activeElement);
  return !busy && performance.now() - wallChangedAt >= ORDER_EVERY_MS - 500;
}

let laterTimer = 0;
function later() {
  clearTimeout(laterTimer);
  const left = ORDER_EVERY_MS - (performance.now() - wallChangedAt);
  laterTimer = setTimeout(() => attempt(), Math.max(1000, left));
}

/** @param {Document} parts */
function takeWall(parts) {
  swap("#wall", parts);
  wallChangedAt = performance.now();
}

/** @param {Document} parts @param {boolean} all */
function takeSnapshot(parts, all) {
  const fresh = JSON.parse(parts.querySelector("#snapshot")?.textContent ?? "{}");
  revision.take(fresh.revision);
  const known = points;
  points = new Map(Object.entries(fresh.points));
  if (!all) for (const [id, old] of known) keepNewer(old, points.get(id));
  snapshot = fresh;
}

/** What came by the socket while the snapshot was read is not lost. @param {Points} old @param {Points | undefined} fresh */
function keepNewer(old, fresh) {
  if (!fresh) return;
  const newest = fresh.t.at(-1) ?? 0;
  old.t.forEach((t, i) => {
    if (t <= newest) return;
    fresh.t.push(t);
    for (const name of Object.keys(fresh)) if (name !== "t") fresh[name].push(old[name]?.[i] ?? null);
  });
}

/** After the page's parts were swapped. */
function settled() {
  elements = new Map();
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#wall [data-person]"))) {
    const id = element.dataset.person ?? "";
    elements.set(id, [...(elements.get(id) ?? []), element]);
  }
  // @ts-ignore htmx is a global
  htmx.process(main);
  const waits = document.querySelector('#log .card.loud[data-severity="CRITICAL"]') !== null;
  soundMatters(waits);
  showTechnicalSound();
  refreshAges(main);
  guardActions();
  inStep();
  drawSparks();
  drawCharts();
  greyed();
}

/** A refresh that may fail: the page stays as it is, its ages go on, and the next one tries again. */
async function attempt() {
  try {
    await refresh();
  } catch (error) {
    console.warn("The overview could not be read again.", error);
  }
}

// Drawing

function drawCharts() {
  const lost = live.state === "lost";
  for (const chart of charts) {
    chart.lines = snapshot.lines.map((/** @type {string} */ id) => {
      const known = points.get(id) ?? { t: [] };
      const cadence = Number(elements.get(id)?.[0]?.dataset.cadence ?? 5);
      const { name, short } = snapshot.people[id];
      return { id, name, short, t: known.t, values: known[chart.metric] ?? [], doubtful: doubtful(known, chart.metric), gapMs: gapOf(chart.metric, cadence, known) };
    });
    chart.episodes = snapshot.episodes;
    chart.thresholds = snapshot.thresholds.filter((/** @type {any} */ each) => each.metric === chart.metric);
    chart.axis = snapshot.axes[chart.metric];
    chart.decimals = snapshot.decimals[chart.metric];
    chart.grey = lost;
    chart.heardAt = live.heardAt;
    chart.draw();
  }
}

/** Which points hold a value in doubt. @param {Points} known @param {string} metric */
const doubtful = (known, metric) => (known.flags ?? []).map((flags) => Boolean(/** @type {number} */ (flags) & snapshot.suspect[metric]));

/** A gap is three cadences of the metric itself: the temperature speaks less often than the heart. @param {string} metric @param {number} cadence @param {Points} known */
function gapOf(metric, cadence, known) {
  const times = known.t.filter((_, i) => known[metric]?.[i] !== null && known[metric]?.[i] !== undefined);
  const steps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
  const usual = steps.length ? steps[Math.floor(steps.length / 2)] : 0;
  return 3 * Math.max(cadence * 1000, usual);
}

function drawSparks() {
  for (const svg of /** @type {NodeListOf<SVGSVGElement>} */ (document.querySelectorAll("#kpis [data-spark]"))) {
    const values = (svg.dataset.spark ?? "").split(",").filter(Boolean).map(Number);
    sparkline(svg, values.map((_, i) => i), values, { zero: true });
  }
  for (const svg of /** @type {NodeListOf<SVGSVGElement>} */ (document.querySelectorAll("#wall [data-person-spark]"))) spark(svg);
}

/** @param {SVGSVGElement} svg */
function spark(svg) {
  const known = points.get(svg.dataset.personSpark ?? "");
  if (!known) return;
  let before = 0;
  const heard = known.t
    .map((t, i) => [t, known.heart_rate[i]])
    .filter(([t, v]) => {
      if (v === null || /** @type {number} */ (t) < now() - WINDOW_MS || /** @type {number} */ (t) - before < 4000) return false;
      before = /** @type {number} */ (t);
      return true;
    });
  const tile = svg.closest(".tile");
  const fault = tile?.querySelector('[data-metric="heart_rate"]')?.className.match(/fault-(\w+)/)?.[1];
  sparkline(svg, heard.map(([t]) => /** @type {number} */ (t)), heard.map(([, v]) => /** @type {number} */ (v)), {
    from: now() - WINDOW_MS,
    to: now(),
    gap: gapOf("heart_rate", Number(/** @type {HTMLElement} */ (tile)?.dataset.cadence ?? 5), known),
    stroke: fault ? `var(--${fault})` : "var(--data)",
  });
}

/** What the loss of the connection does here, beyond the style sheet. */
function greyed() {
  const note = document.querySelector("[data-live-note]");
  if (note && live.state === "lost") note.textContent = `none heard for ${age(now() - live.heardAt)}`;
}

function everySecond() {
  drawCharts();
  greyed();
  for (const id of moved) {
    const svg = elements.get(id)?.[0]?.querySelector("[data-person-spark]");
    if (svg) spark(/** @type {SVGSVGElement} */ (svg));
  }
  moved.clear();
}

// Choices: kept in the address, without loading the page

main.addEventListener("click", (event) => {
  const link = /** @type {HTMLElement} */ (event.target).closest("#wall .choice a, #wall .wall-pages a, #log .choice a");
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const wanted = new URLSearchParams(location.search);
  if (!link.closest(".wall-pages") && link.closest("#wall")) wanted.delete("page");
  for (const [name, value] of new URL(link.href).searchParams) wanted.set(name, value);
  history.replaceState(null, "", `?${wanted}`);
  refresh({ all: true }).catch(() => location.assign(link.href));
});

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-switch]"))) {
  button.addEventListener("click", () => showTemperature(button.dataset.switch ?? ""));
}

/** @param {string} metric */
function showTemperature(metric) {
  const chart = charts.find((each) => each.metric.endsWith("temp_c"));
  if (!chart) return;
  chart.metric = metric;
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-switch]"))) {
    button.setAttribute("aria-pressed", String(button.dataset.switch === metric));
  }
  drawCharts();
}

function countTemperatures() {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-switch]"))) {
    const metric = button.dataset.switch ?? "";
    const worn = snapshot.lines.filter((/** @type {string} */ id) => points.get(id)?.[metric]?.some((v) => v !== null)).length;
    button.textContent = `${metric === "body_temp_c" ? "Core" : "Skin"} ${worn}`;
  }
}

/** The temperature chart opens on the one with an episode, else on the one that more people wear. */
function firstTemperature() {
  const count = (/** @type {string} */ metric) =>
    snapshot.lines.filter((/** @type {string} */ id) => points.get(id)?.[metric]?.some((v) => v !== null)).length;
  const inEpisode = snapshot.episodes.find((/** @type {any} */ each) => each.metrics.some((/** @type {string} */ m) => m.endsWith("temp_c")));
  const named = inEpisode?.metrics.find((/** @type {string} */ m) => m.endsWith("temp_c"));
  return named ?? (count("body_temp_c") >= count("skin_temp_c") ? "body_temp_c" : "skin_temp_c");
}

// Start

live.addEventListener("vital", (event) => vital(/** @type {CustomEvent} */ (event).detail));
live.addEventListener("alert", (event) => alerted(/** @type {CustomEvent} */ (event).detail));
live.addEventListener("state", (event) => {
  if (/** @type {CustomEvent} */ (event).detail === "lost") sound("lost");
  drawCharts();
  greyed();
});
live.onResync(() => refresh({ all: true }));
addEventListener("telara:theme", () => charts.forEach((chart) => chart.repaint()));
startSound();
revision.take(snapshot.revision);
for (const points_ of points.values()) live.newestAt = Math.max(live.newestAt, points_.t.at(-1) ?? 0);
showTemperature(firstTemperature());
countTemperatures();
settled();
setInterval(everySecond, 1000);
setInterval(() => {
  if (live.state === "live" && document.visibilityState === "visible") attempt();
}, ORDER_EVERY_MS);
key("r", "read the page again", () => attempt());

export { CHARTED };
