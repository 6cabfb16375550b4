// The list of wearers: values refresh in place, the order changes only when asked.

import { refreshAges } from "./clock.js";
import { freshCopy, inTurn } from "./fresh.js";
import { keepingUp } from "./heard.js";
import { live } from "./live.js";
import { soon } from "./parts.js";
import { cursorOf, openOnClick, startRows } from "./rows.js";
import { inStep } from "./severity.js";
import { sparkline } from "./sparkline.js";
import { inUnits } from "./units.js";

const SPARK_MS = 5 * 60_000;
const PATHS = /** @type {Record<string, [string, string]>} */ ({
  heart_rate: ["vitals", "heart_rate"],
  spo2_percent: ["vitals", "spo2_percent"],
  body_temp_c: ["vitals", "body_temp_c"],
  skin_temp_c: ["vitals", "skin_temp_c"],
});
const list = /** @type {HTMLElement} */ (document.querySelector("#wearers-list"));
const bar = () => /** @type {HTMLButtonElement} */ (list.querySelector("#order-bar"));
const rows = (/** @type {ParentNode} */ root = list) => /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".wearer-row")]);
const row = (/** @type {string} */ user) =>
  /** @type {HTMLElement | null} */ (list.querySelector(`.wearer-row[data-user="${CSS.escape(user)}"]`));

/** @param {HTMLElement} element a row */
function drawSpark(element) {
  const svg = /** @type {SVGSVGElement | null} */ (element.querySelector(".spark"));
  if (!svg) return; // a column that is not shown
  const { t, y } = JSON.parse(svg.dataset.spark ?? "");
  const severity = element.querySelector('[data-metric="heart_rate"]')?.className.match(/fault-(\w+)/)?.[1];
  const to = t[t.length - 1];
  const gap = 1000 * Math.max(20, 3 * Number(element.dataset.cadence ?? 5));
  sparkline(svg, t, y, { from: to - SPARK_MS, to, gap, stroke: severity ? `var(--${severity})` : "var(--data)" });
}

/** @param {any} event the contract's event */
function show(event) {
  const element = row(event.user_id);
  if (!element || (element.dataset.heard ?? "") > event.timestamp) return;
  element.dataset.heard = event.timestamp;
  element.dataset.cadence ??= "5";
  const seen = /** @type {HTMLElement | null} */ (element.querySelector(".col-seen .age"));
  if (seen) seen.dataset.age = event.timestamp;
  for (const cell of /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("[data-metric]"))) {
    const { metric = "", path, decimals } = cell.dataset;
    const [group, field] = path ? path.split(".") : PATHS[metric];
    const value = event[group]?.[field];
    if (typeof value !== "number") continue;
    cell.classList.remove("none");
    cell.textContent = inUnits(metric, value).toFixed(decimals ? Number(decimals) : metric.endsWith("temp_c") ? 1 : 0);
  }
  const heart = event.vitals?.heart_rate;
  if (typeof heart === "number") addSpark(element, Date.parse(event.timestamp), heart);
}

/** @param {HTMLElement} element @param {number} at @param {number} value */
function addSpark(element, at, value) {
  const svg = /** @type {SVGSVGElement | null} */ (element.querySelector(".spark"));
  if (!svg) return;
  const spark = JSON.parse(svg.dataset.spark ?? "");
  if (spark.t.length && at - spark.t[spark.t.length - 1] < 2000) return;
  spark.t.push(at);
  spark.y.push(value);
  while (spark.t[0] < at - SPARK_MS) {
    spark.t.shift();
    spark.y.shift();
  }
  svg.dataset.spark = JSON.stringify(spark);
  drawSpark(element);
}

/** @param {Document} fresh */
const listOf = (fresh) => /** @type {HTMLElement} */ (fresh.querySelector("#wearers-list"));

/** @param {Document} fresh */
function replace(fresh) {
  const at = cursorOf(rows())?.dataset.user;
  list.replaceChildren(...listOf(fresh).childNodes);
  if (at) row(at)?.classList.add("cursor");
  settle();
}

/**
 * How many came or moved: those beside the longest run that kept its order.
 * @param {(string | undefined)[]} before @param {(string | undefined)[]} after
 */
function moved(before, after) {
  const places = after.map((user) => before.indexOf(user));
  /** @type {number[]} */
  const ends = []; // the last place of the best run of each length
  for (const place of places) {
    if (place < 0) continue;
    const longer = ends.findIndex((end) => end >= place);
    ends[longer < 0 ? ends.length : longer] = place;
  }
  return after.length - ends.length;
}

/** Each row as it now is, where it stands; a row that came, went or moved waits until asked for. Wishes: all, at once. */
const refresh = inTurn(keepingUp(async ({ all = false }) => {
  const fresh = await freshCopy();
  keepChips(fresh);
  const [now, then] = [rows(), rows(listOf(fresh))];
  if (all || !now.length) {
    replace(fresh);
    return;
  }
  for (const other of then) {
    const old = row(other.dataset.user ?? "");
    if (!old) continue;
    other.classList.toggle("cursor", old.classList.contains("cursor"));
    const focused = focusIn(old);
    old.replaceWith(other);
    if (focused >= 0) /** @type {HTMLElement} */ (other.querySelectorAll("a")[focused])?.focus();
  }
  settle();
  const [before, after] = [now, then].map((each) => each.map((element) => element.dataset.user));
  const count = Math.max(moved(before, after), moved(after, before));
  bar().hidden = !count;
  bar().textContent = `${count} changed order, sort again`;
}, show));

/** Which of a row's links has the focus, -1 for none. @param {HTMLElement} element */
const focusIn = (element) => [...element.querySelectorAll("a")].indexOf(/** @type {HTMLAnchorElement} */ (document.activeElement));

/** @param {Document} fresh */
function keepChips(fresh) {
  const [chips, others] = [document, fresh].map((each) => each.querySelector('[data-part="chips"]'));
  if (chips && others && chips.innerHTML !== others.innerHTML) chips.replaceChildren(...others.childNodes);
}

function settle() {
  for (const each of rows()) drawSpark(each);
  refreshAges();
  inStep();
}

list.addEventListener("click", (event) => {
  if (event.target === bar()) void refresh({ all: true });
});
openOnClick(list, ".wearer-row");
live.addEventListener("vital", (event) => show(/** @type {CustomEvent} */ (event).detail));
live.addEventListener("alert", soon(() => void refresh()));
live.onResync(refresh);
startRows({ rows, noun: "wearer", search: "#wearers-q" });
settle();
