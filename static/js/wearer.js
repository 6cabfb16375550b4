// A wearer's page: strips over one time, current values as they come, and a fresh copy when an alert changes.

import { Chart, timeText } from "./strip.js";
import { now, refreshAges, zoneName } from "./clock.js";
import { inTurn } from "./fresh.js";
import { keepingUp, sayHeard } from "./heard.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { about, startNotes } from "./notes.js";
import { refreshParts, soon } from "./parts.js";
import { showTable } from "./strip_table.js";
import { doubtOf, showTiles, valueOf } from "./wearer_tiles.js";

/** @typedef {{metrics: string[], height: number, lines: any[], spans: any[], [name: string]: any}} Strip */

const AT_MOST = 600;
const CHOSEN_PX = 300;
const find = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector));
/** @type {Map<string, Chart>} */
const charts = new Map();
/** @type {{until: number, length: number, bucket: number, live: boolean, strips: Record<string, Strip>,
 *   paths: Record<string, [string, string]>, decimals: Record<string, number>, notes: number[]}} */
let data;
/** When each source was heard. @type {Map<string, string>} */
const spoke = new Map();
/** Where the cursor is, in seconds; null outside the strips. @type {number | null} */
let cursorAt = null;

function read() {
  data = JSON.parse(find("#wearer-data")?.textContent ?? "{}");
}

/** @param {Strip} strip */
function content(strip) {
  const spans = strip.spans.map((span) => (span.firing ? { ...span, to: Math.max(span.to, data.until) } : span));
  return /** @type {any} */ ({ ...strip, spans, notes: data.notes, since: data.until - data.length, until: data.until });
}

function draw() {
  const figures = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-strip]"));
  figures.forEach((figure, place) => {
    const name = figure.dataset.strip ?? "";
    const strip = data.strips[name];
    if (!strip) return;
    const last = place === figures.length - 1;
    const known = charts.get(name);
    if (known) known.show(content(strip));
    else charts.set(name, new Chart(/** @type {HTMLElement} */ (figure.querySelector(".plot")), content(strip), {
      height: (figure.classList.contains("chosen") ? CHOSEN_PX : strip.height) + (last ? 24 : 0),
      sync: "wearer",
      times: last,
      label: name,
      onCursor: (at, text) => readout(figure, at, text),
      onZoom: zoomed,
      onPick: (at, top) => picked(name, at, top),
    }));
  });
}

/** The part of the stretch that is shown stands in the address, so that a link shows it too. @param {[number, number] | null} part */
function zoomed(part) {
  const wanted = new URL(location.href);
  if (part) wanted.searchParams.set("zoom", part.map(Math.round).join("_"));
  else wanted.searchParams.delete("zoom");
  if (wanted.href !== location.href) history.replaceState(null, "", wanted);
  const button = find("#unzoom");
  if (button) button.hidden = !part;
}

/** What the address says of it. @returns {[number, number] | null} */
function zoomAsked() {
  const [from, to] = (new URLSearchParams(location.search).get("zoom") ?? "").split("_").map(Number);
  return from < to && to > data.until - data.length && from < data.until ? [from, to] : null;
}

/** A click on the edge of an episode opens its alert; any other is the moment of a note. @param {string} name @param {number} at @param {boolean} top */
function picked(name, at, top) {
  const reach = data.length / 150; // a short episode is a few pixels wide
  const span = data.strips[name].spans.find((each) => at >= each.from - reach && at <= each.to + reach);
  if (top && span) location.assign(`/alerts/${span.id}/`);
  else about(at);
}

/** @param {HTMLElement} figure @param {number | null} at @param {string} text */
function readout(figure, at, text) {
  /** @type {HTMLElement} */ (figure.querySelector(".strip-readout")).textContent = text;
  if (at !== null || figure.matches(":hover")) cursorAt = at;
  const time = find("#readout");
  if (time) time.textContent = at === null ? "" : `${timeText(at, Math.min(data.length, 172_800))} ${zoneName}`;
}

/** @param {any} event the contract's event */
function show(event) {
  const heard = find("#heard");
  sayHeard(heard, event);
  if (heard && event.timestamp > (heard.dataset.heard ?? "")) heard.dataset.heard = event.timestamp;
  for (const source of event.device_sources) if (event.timestamp > (spoke.get(source) ?? "")) spoke.set(source, event.timestamp);
  showSources();
  showTiles(event, data);
  if (data.live) append(event);
  refreshAges(find(".wearer-page") ?? document);
}

/** When each kind of device spoke last, since this page stands: what is stored of it is right to a minute. */
function showSources() {
  for (const aged of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-source]"))) {
    const at = spoke.get(aged.dataset.source ?? "") ?? "";
    if (at > (aged.dataset.age ?? "")) aged.dataset.age = at;
  }
}

/** @param {any} event */
function append(event) {
  const at = Date.parse(event.timestamp) / 1000;
  for (const [name, strip] of Object.entries(data.strips)) {
    if (strip.kind === "stages") continue;
    const values = strip.metrics.map((name) => valueOf(event, name, data));
    if (values.some((value) => value === null)) continue;
    find(`[data-part="empty-${name}"]`)?.replaceChildren();
    strip.lines.forEach((line, place) => add(line, at, /** @type {number} */ (values[place]), doubtOf(event, strip.metrics)));
  }
}

/** Into the last bucket, or as a new point; readings that come out of order wait for the next fresh copy.
 *  @param {any} line @param {number} at @param {number} value @param {string} doubt */
function add(line, at, value, doubt) {
  const last = line.at.length - 1;
  if (last >= 0 && at <= line.at[last]) return;
  if (last >= 0 && Math.floor(line.at[last] / data.bucket) === Math.floor(at / data.bucket)) {
    line.n = (line.n ?? 1) + 1;
    line.avg[last] += (value - line.avg[last]) / line.n;
    line.min[last] = Math.min(line.min[last], value);
    line.max[last] = Math.max(line.max[last], value);
    line.doubts[last] ||= doubt;
    return;
  }
  line.n = 1;
  for (const column of [line.avg, line.min, line.max]) column.push(value);
  line.at.push(at);
  line.doubts.push(doubt);
  const old = line.at.filter((/** @type {number} */ each) => each < data.until - data.length).length;
  const extra = Math.max(old, line.at.length - AT_MOST);
  if (extra > 0) for (const column of [line.at, line.avg, line.min, line.max, line.doubts]) column.splice(0, extra);
}

function advance() {
  if (document.hidden || live.state === "lost") return;
  data.until = Math.max(data.until, now() / 1000);
  draw();
}

const refresh = inTurn(keepingUp(async () => {
  await refreshParts();
  read();
  if (data.live) data.until = Math.max(data.until, now() / 1000); // or the lines jump back by the time that the copy took
  showSources();
  draw();
}, show));

/** @param {number} step */
function range(step) {
  const links = [...document.querySelectorAll(".ranges a")];
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  /** @type {HTMLElement | undefined} */ (links[at + step])?.click();
}

for (const details of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll(".as-table"))) {
  const name = /** @type {HTMLElement} */ (details.closest("[data-strip]")).dataset.strip ?? "";
  const holder = /** @type {HTMLElement} */ (details.querySelector(".rows"));
  details.addEventListener("toggle", () => details.open && showTable(data.strips[name], holder));
}
const refreshSoon = soon(() => void refresh());
document.body.addEventListener("telara:triaged", () => void refresh());
for (const news of ["alert", "planned"]) {
  live.addEventListener(news, (event) => {
    if (/** @type {CustomEvent} */ (event).detail.user_id === document.body.dataset.liveUser) refreshSoon();
  });
}
live.addEventListener("vital", (event) => show(/** @type {CustomEvent} */ (event).detail));
addEventListener("telara:over", refreshSoon);
live.onResync(refresh);
key("[", "shorter range", () => range(-1));
key("]", "longer range", () => range(1));
key("a", "acknowledge the first alert", () => find(".card.loud button[hx-post]")?.click());

find("#unzoom")?.addEventListener("click", () => {
  charts.forEach((chart) => chart.unzoom());
  zoomed(null);
});
document.querySelector('[data-opens="plan"]')?.addEventListener("click", () => {
  const plan = /** @type {HTMLDetailsElement | null} */ (document.querySelector(".plan"));
  if (plan) plan.open = true;
});

read();
startNotes(() => cursorAt);
draw();
const part = zoomAsked();
if (part) {
  charts.forEach((chart) => chart.zoom(part));
  zoomed(part);
}
setInterval(() => (data.live ? advance() : undefined), 1000);
setInterval(() => (document.hidden || live.state === "lost" ? undefined : void refresh()), 60_000);
