// What every page does: connection pill, banner, status bar, ages, menus, theme, keys, undo, htmx's CSRF.

import { startAnswers } from "./answers.js";
import { age, now, refreshAges, startMoments, timeOfDay, zoneName } from "./clock.js";
import { startFocus } from "./focus.js";
import { key, startKeyboard } from "./keyboard.js";
import { live } from "./live.js";
import { watchRevision } from "./revision.js";
import { typeOf, wordsOf } from "./said.js";
import { inStep } from "./severity.js";
import { sound, soundMatters, startSound } from "./sound.js";
import { criticalWaits, forgetKnown, isToBeTold, keepKnown, readKnown } from "./told.js";
import { startUndo } from "./undo.js";

const WORKER_LATE_MS = 30_000; // devices.background.LATE_AFTER
const one = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector));

function startTheme() {
  const root = document.documentElement;
  const set = () => {
    const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
    const theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
    root.dataset.theme = theme;
    localStorage.setItem("telara.theme", theme);
    dispatchEvent(new Event("telara:theme"));
  };
  for (const button of document.querySelectorAll("[data-theme-toggle]")) button.addEventListener("click", set);
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => dispatchEvent(new Event("telara:theme")));
  for (const button of document.querySelectorAll("[data-blink-toggle]")) {
    button.addEventListener("click", () => {
      const off = root.dataset.blink !== "off";
      if (off) root.dataset.blink = "off";
      else delete root.dataset.blink;
      localStorage.setItem("telara.blink", off ? "off" : "on");
    });
  }
}

function startMenus() {
  const open = () => /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("details.menu[open]"));
  document.addEventListener("click", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest('summary[aria-disabled="true"]')) event.preventDefault();
    for (const menu of open()) if (!menu.contains(target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      event.preventDefault(); // that was what it was pressed for
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }
  });
}

/** Whether no background worker runs: alerts open, and nobody is told. Unknown while the database is away: that is said
 * already. @param {import("./live.js").Status | null} status */
const isUntold = (status) =>
  status !== null && status.database_ms !== null && !(Date.parse(status.server_time) - Date.parse(status.worker_at ?? "") < WORKER_LATE_MS);

function pill() {
  const element = one("#live-pill");
  if (!element) return;
  const lost = live.state === "lost";
  const dataAge = live.newestAt ? age(now() - live.newestAt) : "";
  const untold = live.state === "live" && isUntold(live.status);
  const word = lost ? "Disconnected" : untold ? "Nobody is told" : live.state === "connecting" ? "Connecting" : live.newestAt ? "Live" : "Connected";
  const ago = lost ? `${age(now() - live.heardAt)} old` : untold && dataAge ? `${dataAge} old` : dataAge ? `data ${dataAge} old` : "no data yet";
  element.dataset.state = lost ? "lost" : untold ? "untold" : live.state === "live" && live.newestAt ? "live" : "waiting";
  set(element.querySelector("b"), word);
  set(element.querySelector(".long"), live.state === "connecting" ? "" : ago);
  set(element.querySelector(".short"), lost ? age(now() - live.heardAt) : dataAge);
}

/** @param {Element | null} element @param {string} text */
function set(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** What is wrong where the connection is not. */
const WHAT = /** @type {Record<string, string>} */ ({
  "no consumer": "No stream worker is running",
  "no database": "The database does not answer",
  "no snapshot": "This page cannot be read again",
});
const WHY = /** @type {Record<string, string>} */ ({
  "no consumer": "Readings wait in Kafka, nothing is lost, and nothing is evaluated.",
  "no database": "Readings wait in Kafka, nothing is lost, and nothing is evaluated.",
  "signed out": "You were signed out.",
  "not allowed": "You may not see this any more: who watches whom was changed. Ask whoever runs this Telara.",
  "too many": "You have more pages open than one person may: close some.",
});

function banner() {
  const element = one("#connection-banner");
  if (!element) return;
  element.hidden = live.state !== "lost";
  if (element.hidden) return;
  const gone = WHAT[live.reason];
  const ended = live.reason === "signed out" || live.reason === "not allowed";
  const trying = ended ? "" : `Reconnecting, attempt ${Math.max(1, live.attempt)}`;
  const silent = `No data for ${age(now() - live.heardAt)}. ${trying}`.trim();
  set(element.querySelector("b"), gone ?? silent);
  set(
    element.querySelector(".means"),
    `${WHY[live.reason] ?? ""} Everything below is as of ${timeOfDay(live.heardAt)}. Alerts may be missing.`.trim(),
  );
  const wait = live.nextTryAt - now();
  set(element.querySelector(".next"), wait > 0 ? `Next try in ${Math.ceil(wait / 1000)} s` : "");
  const button = /** @type {HTMLElement} */ (element.querySelector("button"));
  button.hidden = Boolean(gone);
  set(button, { "signed out": "Sign in", "not allowed": "Overview" }[live.reason] ?? "Try now");
}

let wasLost = false;
/** What came while nothing was heard, in words. */
let meanwhile = "";

/** Once when it is lost and once when it is back: the banner counts, and would be read out all the time. @param {boolean} lost */
function saidOfConnection(lost) {
  if (lost === wasLost) return;
  wasLost = lost;
  const text = lost ? `Disconnected. Everything on this page is as of ${timeOfDay(live.heardAt)}. Alerts may be missing.` : `Connected again. ${meanwhile}`.trim();
  meanwhile = "";
  set(one(lost ? "#announce-critical" : "#announce"), text);
}

const REASON = "Waits for the connection: what you see may be out of date.";

/** Buttons that need the truth are disabled while it is not known, and say why. */
export function guardActions() {
  const lost = live.state === "lost";
  for (const opener of document.querySelectorAll("summary[data-opens-live]")) {
    if (lost) opener.setAttribute("aria-disabled", "true");
    else opener.removeAttribute("aria-disabled");
    /** @type {HTMLElement} */ (opener).title = lost ? REASON : "";
  }
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-needs-live]"))) {
    if (lost && !button.disabled) {
      button.disabled = true;
      button.dataset.waiting = button.title || " ";
      button.title = REASON;
    } else if (!lost && button.dataset.waiting) {
      button.disabled = false;
      button.title = button.dataset.waiting.trim();
      delete button.dataset.waiting;
    }
  }
}

/** @param {import("./live.js").Status} status */
function statusBar(status) {
  const figures = /** @type {Record<string, string>} */ ({
    lag: status.lag === null ? "unknown" : status.lag.toLocaleString("en"),
    events: status.events_per_second === null ? "unknown" : `${status.events_per_second.toFixed(1)}/s`,
    delay: status.delay_p99_s === null ? "no readings" : `${status.delay_p99_s.toFixed(1)} s`,
    consumers: status.consumers === null ? "unknown" : status.consumers ? `${status.consumers}` : "none",
    database: status.database_ms === null ? "away" : `ok ${Math.round(status.database_ms)} ms`,
    evaluated: status.evaluated_at ? timeOfDay(Date.parse(status.evaluated_at)) : "never",
  });
  const worrying = /** @type {Record<string, boolean>} */ ({
    lag: (status.lag ?? 0) >= 500,
    delay: (status.delay_p99_s ?? 0) > 2,
    consumers: !status.consumers,
    database: status.database_ms === null || status.database_ms > 500,
  });
  for (const [name, text] of Object.entries(figures)) {
    const cell = one(`.status-bar [data-figure="${name}"]`);
    if (!cell) continue;
    set(cell.querySelector("b"), text);
    cell.classList.toggle("warn", worrying[name] ?? false);
  }
  const tickedAt = Date.parse(status.worker_at ?? "");
  const untold = one("#untold");
  if (untold) {
    untold.hidden = !isUntold(status);
    set(untold.querySelector("b"), Number.isNaN(tickedAt) ? "no background worker" : `no background worker since ${timeOfDay(tickedAt)}`);
  }
  for (const badge of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-firing-alerts]"))) {
    badge.hidden = !status.alerts_firing;
    set(badge, (status.alerts_firing ?? 0) > 9999 ? "9,999+" : `${status.alerts_firing ?? ""}`);
  }
}

/** Tone and words of an alert; what is technical never interrupts. @param {any} alert the contract's alert */
function told(alert) {
  const isNews = isToBeTold(alert);
  soundMatters(criticalWaits());
  if (isNews) call(alert, wordsOf(alert));
}

/** @param {any} alert fields of the contract's alert @param {string} words @param {string} [before] */
function call(alert, words, before = "") {
  const technical = alert.class === "technical";
  const { liveUser = alert.user_id } = document.body.dataset; // on the page of one person, what is of another says so
  const whose = alert.user_id === liveUser ? "" : `, ${alert.user_id ?? "of nobody"}`;
  const text = `${before}${technical ? "Technical, " : ""}${alert.severity}${whose}: ${words}`;
  sound(technical ? "technical" : alert.severity);
  set(one(alert.severity === "CRITICAL" && !technical ? "#announce-critical" : "#announce"), text);
  return text;
}

/** What is pushed waits until it is known what stands. @type {Promise<void>} */
let knowing = Promise.resolve();
let isKnown = false;
let isReading = false;

const revision = watchRevision(live, attempt);

/** Reads what stands, and tells of what came while this page heard nothing: by one tone, of the worst. Gives whether there is
 *  anything that this page had not heard of. */
function know() {
  isReading = true;
  const read = knowing.then(readKnown).then(({ came, revision: theirs }) => {
    isKnown = true;
    soundMatters(criticalWaits());
    const worst = came.find((/** @type {any} */ each) => each.class === "clinical") ?? came[0];
    if (worst) meanwhile = call(worst, typeOf(worst), came.length > 1 ? `${came.length} alerts came meanwhile, worst ` : "");
    return revision.take(theirs);
  }).finally(() => {
    isReading = false;
  });
  knowing = read.then(() => {}, () => {}); // whoever asked hears of it, and asks again
  return read;
}

/** What was missed here, what the page shows lacks, too. Where it cannot be read the next heartbeat tries again. */
function attempt() {
  know().then((isMissed) => isMissed && live.differs(), () => {});
}

/** What cannot be known without a connection is not said. */
function statusUnknown() {
  for (const name of ["consumers", "database"]) set(one(`.status-bar [data-figure="${name}"] b`), "unknown");
}

function startHtmx() {
  const token = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="csrf-token"]'));
  document.body.addEventListener("htmx:configRequest", (event) => {
    /** @type {CustomEvent} */ (event).detail.headers["X-CSRFToken"] = token?.content ?? "";
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const { responseURL } = /** @type {CustomEvent} */ (event).detail.xhr;
    if (responseURL && new URL(responseURL).pathname === "/login/") location.reload(); // signed out: nothing was done
  });
  startAnswers();
  document.body.addEventListener("htmx:afterSettle", () => {
    refreshAges();
    guardActions();
    inStep();
  });
}

function tick() {
  refreshAges();
  pill();
  banner();
  for (const clock of document.querySelectorAll("[data-clock]")) set(clock, `${timeOfDay(now())} ${zoneName}`);
}

startTheme();
startMenus();
startFocus();
startMoments();
startHtmx();
if (one("#keys")) startKeyboard();
if (one("#undo")) startUndo();
if (document.body.dataset.live !== "off") {
  live.addEventListener("status", (event) => statusBar(/** @type {CustomEvent} */ (event).detail));
  if (one("#sound")) startSound();
  live.addEventListener("status", () => {
    if (!isKnown && !isReading) attempt();
  });
  live.onResync(async () => void (await know()));
  addEventListener("pagehide", keepKnown);
  live.addEventListener("alert", (event) => void knowing.then(() => told(/** @type {CustomEvent} */ (event).detail)));
  live.addEventListener("state", (event) => {
    const lost = /** @type {CustomEvent} */ (event).detail === "lost";
    // Taken away while it was open: what is left says why, and holds nobody's data.
    if (lost && live.reason === "not allowed" && live.status) location.reload();
    if (lost) sound("lost");
    saidOfConnection(lost);
    if (lost && !WHAT[live.reason]) statusUnknown();
    const asOf = one("#as-of");
    if (asOf) asOf.hidden = !lost;
    set(asOf, `As of ${timeOfDay(live.heardAt)}:`);
    tick();
    guardActions();
  });
  one("#connection-banner button")?.addEventListener("click", () => {
    if (live.reason === "signed out") location.reload();
    else if (live.reason === "not allowed") location.assign("/");
    else live.tryNow();
  });
  live.start();
  setInterval(tick, 500);
} else {
  forgetKnown();
}
tick();
inStep();
key("Esc", "clear or close", () => {});
if (one("#top-q")?.offsetParent) key("/", "find a wearer", () => one("#top-q")?.focus()); // a page's own search goes before it
