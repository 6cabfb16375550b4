// The overview: applies what the socket says to the page, and takes over the parts of a newer snapshot.

import { age, now, refreshAges } from "./clock.js";
import { guardActions } from "./base.js";
import { freshCopy, inTurn } from "./fresh.js";
import { keepingUp } from "./heard.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { Board } from "./overview_board.js";
import { startCharts } from "./overview_charts.js";
import { drawSparks, drawSparksOf, Order, ORDER_EVERY_MS, showValues, takeInPlace } from "./overview_wall.js";
import { inStep } from "./severity.js";
import { showTechnicalSound } from "./sound.js";
import { startLog } from "./threat_log.js";

const main = /** @type {HTMLElement} */ (document.querySelector("main.overview"));
const isEmpty = main.classList.contains("is-empty");
const board = new Board();
const charts = startCharts(board);
const order = new Order();
const threatLog = startLog({ refresh: () => refresh({ own: true }) });
/** Who was heard since the small lines were drawn. @type {Set<string>} */
const moved = new Set();

// What the socket says

/** @param {any} event the contract's event */
function vital(event) {
  if (isEmpty) {
    location.reload();
    return;
  }
  const values = board.add(event);
  for (const tile of board.tiles.get(event.user_id) ?? []) showValues(tile, event, values, board.snapshot.decimals);
  moved.add(event.user_id);
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let soon;

/** What was last said of alerts, but for their figures. @type {Map<string, string>} */
const said = new Map();

/** What an alert has become is shown soon; figures that no card shows wait for the next snapshot. @param {any} alert the contract's alert */
function alerted(alert) {
  const says = `${alert.episode} ${alert.status} ${alert.severity} ${alert.quiet}`;
  const isNews = said.get(alert.alert_id) !== says;
  said.set(alert.alert_id, says);
  if (threatLog.patch(alert) || !isNews) return;
  soon ??= setTimeout(() => {
    soon = undefined;
    attempt();
  }, 250);
}

// The snapshot

/**
 * Reads the page's parts anew and takes them over; who is on the wall keeps their place until it may change its order.
 * Raises an error if they cannot be read. Wishes: own, after an action of one's own; all, also what would wait.
 */
const refresh = inTurn(keepingUp(async ({ own = false, all = false }) => {
  takeOver(await freshCopy(`${main.dataset.parts}${location.search}`), own, all);
}, vital));

/** @param {Document} parts @param {boolean} own @param {boolean} all */
function takeOver(parts, own, all) {
  swap("#kpis", parts);
  threatLog.take(parts, { own: own || all });
  if (all || order.mayChange) {
    swap("#wall", parts);
    order.changed();
  } else {
    takeInPlace(parts);
    order.later(attempt);
  }
  board.take(parts, all);
  settled();
}

/** @param {string} selector @param {Document} parts */
function swap(selector, parts) {
  const fresh = parts.querySelector(selector);
  const old = document.querySelector(selector);
  if (fresh && old) old.replaceWith(document.adoptNode(fresh));
}

/** After the page's parts were swapped. */
function settled() {
  board.findTiles();
  // @ts-ignore htmx is a global
  htmx.process(main);
  showTechnicalSound();
  refreshAges(main);
  guardActions();
  inStep();
  drawSparks(board);
  charts.draw();
  greyed();
}

/** A refresh that may fail: the page stays as it is, its ages go on, and the next heartbeat tries again. */
async function attempt() {
  try {
    await refresh();
  } catch (error) {
    live.differs();
    console.warn("The overview could not be read again.", error);
  }
}

/** What the loss of the connection does here, beyond the style sheet. */
function greyed() {
  const note = document.querySelector("[data-live-note]");
  if (note && live.state === "lost") note.textContent = `none heard for ${age(now() - live.heardAt)}`;
}

function everySecond() {
  charts.draw();
  greyed();
  drawSparksOf(moved, board);
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

// Start

live.addEventListener("vital", (event) => vital(/** @type {CustomEvent} */ (event).detail));
live.addEventListener("alert", (event) => alerted(/** @type {CustomEvent} */ (event).detail));
live.addEventListener("state", () => {
  charts.draw();
  greyed();
});
live.onResync(({ anew }) => refresh({ all: anew }));
addEventListener("telara:theme", () => charts.repaint());
live.newestAt = Math.max(live.newestAt, board.newestAt);
settled();
setInterval(everySecond, 1000);
setInterval(() => {
  if (live.state === "live" && document.visibilityState === "visible") attempt();
}, ORDER_EVERY_MS);
key("r", "read the page again", () => attempt());
