// A wearer's page: strips over one time, current values as they come, and a fresh copy when an alert changes.

import { Chart, timeText } from "./strip.js";
import { now, refreshAges } from "./clock.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { refreshParts, soon } from "./parts.js";

/** @typedef {{metrics: string[], height: number, lines: any[], spans: any[], [name: string]: any}} Strip */

const AT_MOST = 600;
const find = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector));
/** @type {Map<string, Chart>} */
const charts = new Map();
/** @type {{until: number, length: number, bucket: number, live: boolean, strips: Record<string, Strip>,
 *   paths: Record<string, [string, string]>, decimals: Record<string, number>}} */
let data;

function read() {
  data = JSON.parse(find("#wearer-data")?.textContent ?? "{}");
}

/** @param {Strip} strip */
function content(strip) {
  const spans = strip.spans.map((span) => (span.firing ? { ...span, to: Math.max(span.to, data.until) } : span));
  return /** @type {any} */ ({ ...strip, spans, since: data.until - data.length, until: data.until });
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
      height: strip.height + (last ? 24 : 0),
      sync: "wearer",
      times: last,
      label: name,
      onCursor: (at, text) => readout(figure, at, text),
    }));
  });
}

/** @param {HTMLElement} figure @param {number | null} at @param {string} text */
function readout(figure, at, text) {
  /** @type {HTMLElement} */ (figure.querySelector(".strip-readout")).textContent = text;
  const time = find("#readout");
  if (time) time.textContent = at === null ? "" : `${timeText(at, Math.min(data.length, 172_800))} UTC`;
}

/** The value of a metric in an event. @param {any} event @param {string} name */
function valueOf(event, name) {
  const [group, field] = data.paths[name];
  const value = event[group]?.[field];
  return typeof value === "number" ? value : null;
}

/** Why a value of these metrics is in doubt, in words. @param {any} event @param {string[]} names @returns {string} */
const doubtOf = (event, names) => names.map((name) => event.doubts?.[name]).find(Boolean) ?? "";

/** @param {any} event the contract's event */
function show(event) {
  const heard = find("#heard");
  const age = heard?.querySelector("[data-age]");
  if (heard?.dataset.heard && event.timestamp > heard.dataset.heard) {
    heard.dataset.heard = event.timestamp;
    /** @type {HTMLElement} */ (age).dataset.age = event.timestamp;
  }
  for (const tile of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".current"))) {
    const names = (tile.dataset.metrics ?? "").split(" ");
    const values = names.map((name) => valueOf(event, name));
    const since = /** @type {HTMLElement} */ (tile.querySelector(".age"));
    if (values.some((value) => value === null) || (since.dataset.age ?? "") > event.timestamp) continue;
    const text = /** @type {HTMLElement} */ (tile.querySelector(".value"));
    text.textContent = values.map((value, place) => value?.toFixed(data.decimals[names[place]])).join("/");
    const doubt = doubtOf(event, names);
    text.classList.remove("none");
    text.classList.toggle("suspect", Boolean(doubt));
    /** @type {HTMLElement} */ (tile.querySelector(".doubt")).textContent = doubt;
    since.dataset.age = event.timestamp;
    if (tile.dataset.heard) tile.dataset.heard = event.timestamp;
  }
  if (data.live) append(event);
  refreshAges(find(".wearer-page") ?? document);
}

/** @param {any} event */
function append(event) {
  const at = Date.parse(event.timestamp) / 1000;
  for (const strip of Object.values(data.strips)) {
    if (strip.kind === "stages") continue;
    const values = strip.metrics.map((name) => valueOf(event, name));
    if (values.some((value) => value === null)) continue;
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

async function refresh() {
  await refreshParts();
  read();
  draw();
}

/** @param {HTMLDetailsElement} details */
function table(details) {
  const name = /** @type {HTMLElement} */ (details.closest("[data-strip]")).dataset.strip ?? "";
  const strip = data.strips[name];
  const holder = /** @type {HTMLElement} */ (details.querySelector(".rows"));
  const element = document.createElement("table");
  element.className = "table";
  const times = strip.lines[0].at;
  const heads = strip.kind === "stages" ? ["Stage"] : strip.metrics.length > 1 ? ["Systolic", "Diastolic"] : ["Average", "Lowest", "Highest"];
  const inDoubt = strip.lines[0].doubts.some(Boolean);
  line(element.createTHead(), ["Time (UTC)", ...heads, ...(inDoubt ? ["In doubt"] : [])], "th");
  const body = element.createTBody();
  for (let place = times.length - 1; place >= 0; place -= 1) {
    const first = strip.lines[0];
    const cells = strip.kind === "stages" ? [strip.stages[place]]
      : strip.metrics.length > 1 ? strip.lines.map((each) => each.avg[place].toFixed(strip.decimals))
        : [first.avg, first.min, first.max].map((column) => column[place].toFixed(strip.decimals));
    if (inDoubt) cells.push(first.doubts[place]);
    line(body, [new Date(times[place] * 1000).toISOString().slice(0, 19).replace("T", " "), ...cells], "td");
  }
  holder.replaceChildren(element);
}

/** @param {HTMLTableSectionElement} part @param {string[]} cells @param {"th" | "td"} tag */
function line(part, cells, tag) {
  const row = part.insertRow();
  cells.forEach((text, place) => {
    const cell = document.createElement(tag);
    cell.textContent = text;
    if (place) cell.className = "number";
    row.append(cell);
  });
}

/** @param {number} step */
function range(step) {
  const links = [...document.querySelectorAll(".ranges a")];
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  /** @type {HTMLElement | undefined} */ (links[at + step])?.click();
}

for (const details of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll(".as-table"))) {
  details.addEventListener("toggle", () => details.open && table(details));
}
const refreshSoon = soon(() => void refresh());
document.body.addEventListener("telara:triaged", () => void refresh());
live.addEventListener("alert", refreshSoon);
live.addEventListener("vital", (event) => show(/** @type {CustomEvent} */ (event).detail));
live.onResync(refresh);
key("[", "shorter range", () => range(-1));
key("]", "longer range", () => range(1));
key("a", "acknowledge the first alert", () => find(".card.loud button[hx-post]")?.click());

read();
draw();
setInterval(() => (data.live ? advance() : undefined), 1000);
setInterval(() => (data.live || document.hidden || live.state === "lost" ? undefined : void refresh()), 60_000);
