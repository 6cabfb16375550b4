// What every page does: connection pill, banner, status bar, ages, menus, theme, keys, undo, htmx's CSRF.

import { age, now, refreshAges, timeOfDay } from "./clock.js";
import { key, startKeyboard } from "./keyboard.js";
import { live } from "./live.js";
import { inStep } from "./severity.js";
import { startUndo } from "./undo.js";

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
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }
  });
}

function pill() {
  const element = one("#live-pill");
  if (!element) return;
  const lost = live.state === "lost";
  const dataAge = live.newestAt ? age(now() - live.newestAt) : "";
  const word = lost ? "Disconnected" : live.state === "connecting" ? "Connecting" : live.newestAt ? "Live" : "Connected";
  const ago = lost ? `data ${age(now() - live.heardAt)} old` : dataAge ? `data ${dataAge} old` : "no data yet";
  element.dataset.state = lost ? "lost" : live.state === "live" && live.newestAt ? "live" : "waiting";
  set(element.querySelector("b"), word);
  set(element.querySelector(".long"), live.state === "connecting" ? "" : ago);
  set(element.querySelector(".short"), lost ? age(now() - live.heardAt) : dataAge);
}

/** @param {Element | null} element @param {string} text */
function set(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

const WHY = /** @type {Record<string, string>} */ ({
  "no consumer": "Readings wait in Kafka, nothing is lost, and nothing is evaluated.",
  "signed out": "You were signed out.",
  "not allowed": "This is not assigned to you.",
});

function banner() {
  const element = one("#connection-banner");
  if (!element) return;
  element.hidden = live.state !== "lost";
  if (element.hidden) return;
  const gone = live.reason === "no consumer";
  const ended = live.reason === "signed out" || live.reason === "not allowed";
  const trying = ended ? "" : `Reconnecting, attempt ${Math.max(1, live.attempt)}`;
  const silent = `No data for ${age(now() - live.heardAt)}. ${trying}`.trim();
  set(element.querySelector("b"), gone ? "No stream worker is running" : silent);
  set(
    element.querySelector(".means"),
    `${WHY[live.reason] ?? ""} Everything below is as of ${timeOfDay(live.heardAt)}. Alerts may be missing. ` +
      `Acknowledge and Snooze wait for the connection.`.trim(),
  );
  const wait = live.nextTryAt - now();
  set(element.querySelector(".next"), wait > 0 ? `Next try in ${Math.ceil(wait / 1000)} s` : "");
  const button = /** @type {HTMLElement} */ (element.querySelector("button"));
  button.hidden = gone || live.reason === "not allowed";
  set(button, live.reason === "signed out" ? "Sign in" : "Try now");
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
    lag: (status.lag ?? 0) > 1000,
    delay: (status.delay_p99_s ?? 0) > 5,
    consumers: !status.consumers,
    database: status.database_ms === null || status.database_ms > 500,
  });
  for (const [name, text] of Object.entries(figures)) {
    const cell = one(`.status-bar [data-figure="${name}"]`);
    if (!cell) continue;
    set(cell.querySelector("b"), text);
    cell.classList.toggle("warn", worrying[name] ?? false);
  }
  for (const badge of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-firing-alerts]"))) {
    badge.hidden = !status.alerts_firing;
    set(badge, (status.alerts_firing ?? 0) > 9999 ? "9,999+" : `${status.alerts_firing ?? ""}`);
  }
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
  set(one("#clock"), `${timeOfDay(now())} UTC`);
}

startTheme();
startMenus();
startHtmx();
if (one("#keys")) startKeyboard();
if (one("#undo")) startUndo();
if (document.body.dataset.live !== "off") {
  live.addEventListener("status", (event) => statusBar(/** @type {CustomEvent} */ (event).detail));
  live.addEventListener("state", (event) => {
    const lost = /** @type {CustomEvent} */ (event).detail === "lost";
    if (lost && live.reason !== "no consumer") statusUnknown();
    const asOf = one("#as-of");
    if (asOf) asOf.hidden = !lost;
    set(asOf, `As of ${timeOfDay(live.heardAt)}:`);
    tick();
    guardActions();
  });
  one("#connection-banner button")?.addEventListener("click", () => {
    if (live.reason === "signed out") location.reload();
    else live.tryNow();
  });
  live.start();
  setInterval(tick, 500);
}
tick();
inStep();
key("Esc", "clear or close", () => {});
