// The pipeline's page: its parts read themselves again; the quarantine waits while somebody works in it.

import { guardActions } from "./base.js";
import { age } from "./clock.js";
import { inTurn } from "./fresh.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { refreshParts, soon } from "./parts.js";
import { cursorOf, move, point } from "./rows.js";

const EVERY_MS = 4000;
const SERVICES_MS = 10_000;
const list = /** @type {HTMLElement} */ (document.querySelector("#quarantine-list"));
const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".quarantine-row")]);
const cursor = () => cursorOf(rows());
const opener = (/** @type {HTMLElement | undefined} */ row) => /** @type {HTMLAnchorElement | null} */ (row?.querySelector("[data-opens]") ?? null);

/** Rows must not change under the hand of who chooses or copies. */
const inUse = () =>
  list.contains(document.activeElement) || list.querySelector(":checked") !== null || !getSelection()?.isCollapsed;

/** Wishes: all, the quarantine too, whoever works in it. */
const refresh = inTurn(async ({ all = false }) => {
  const at = cursor()?.dataset.message;
  if (!all && inUse()) delete list.dataset.part;
  try {
    await refreshParts();
  } finally {
    list.dataset.part = "quarantine";
  }
  for (const row of rows()) row.classList.toggle("cursor", row.dataset.message === at);
  guardActions();
});

/** Opens or closes a message in its place. @param {HTMLAnchorElement} link */
async function open(link) {
  const pk = /** @type {HTMLElement} */ (link.closest("tr")).dataset.message;
  const chosen = new Set([.../** @type {NodeListOf<HTMLInputElement>} */ (list.querySelectorAll(":checked"))].map((box) => box.value));
  history.replaceState(null, "", link.href);
  await refresh({ all: true });
  for (const next of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("#again input[name=next], #again-one input[name=next]"))) {
    next.value = location.pathname + location.search + location.hash;
  }
  for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (list.querySelectorAll('input[name="message"]'))) {
    box.checked = chosen.has(box.value) && !box.disabled;
  }
  const row = rows().find((each) => each.dataset.message === pk);
  point(rows(), row);
  opener(row)?.focus();
}

list.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const link = opener(/** @type {HTMLElement | null} */ (target.closest(".quarantine-row")) ?? undefined);
  if (!link || target.closest("input, label") || event.ctrlKey || event.metaKey || !getSelection()?.isCollapsed) return;
  event.preventDefault();
  void open(link);
});

const services = /** @type {HTMLElement} */ (document.querySelector("#services"));
const NAMES = /** @type {Record<string, string>} */ ({ database: "Database", migrations: "Tables", broker: "Broker", redis: "Redis" });
const WORKER_LATE_S = 30; // devices.background.LATE_AFTER
const OUTBOX_LATE_S = 30;

/** @typedef {{checks?: Record<string, {ok: boolean, took_s?: number, error?: string}>, worker?: {age_s: number | null},
 *   outbox?: {pending: number, oldest_age_s: number | null}}} Health */

/** What stands of a service, whether it is as it should be, and a figure to it. @param {Health} health
 * @returns {{name: string, ok: boolean, state: string, figure: string}[]} */
function standing(health) {
  const lines = Object.entries(health.checks ?? {}).map(([name, check]) => ({
    name: NAMES[name] ?? name,
    ok: check.ok,
    state: check.ok ? "ok" : "away",
    figure: check.ok ? (check.took_s === undefined ? "" : `${Math.round(check.took_s * 1000)} ms`) : (check.error ?? ""),
  }));
  const { worker, outbox } = health;
  if (worker) {
    const ok = worker.age_s !== null && worker.age_s <= WORKER_LATE_S;
    const figure = worker.age_s === null ? "never ran: nobody is told" : `worked ${age(worker.age_s * 1000)} ago${ok ? "" : ": nobody is told"}`;
    lines.push({ name: "Worker, beat", ok, state: ok ? "ok" : "away", figure });
  }
  if (outbox) {
    const ok = (outbox.oldest_age_s ?? 0) <= OUTBOX_LATE_S;
    const figure = outbox.pending ? `${outbox.pending.toLocaleString("en")} wait, for ${age((outbox.oldest_age_s ?? 0) * 1000)}` : "nothing waits";
    lines.push({ name: "Outbox", ok, state: ok ? "ok" : "late", figure });
  }
  return lines;
}

/** How the services answer, as /health has it. */
async function look() {
  if (document.visibilityState !== "visible") return;
  /** @type {Health} */
  let health = {};
  try {
    health = await (await fetch(services.dataset.address ?? "")).json();
  } catch {
    health = {};
  }
  services.hidden = !health.checks;
  const lines = standing(health).map(({ name, ok, state, figure }) => {
    const line = document.createElement("tr");
    for (const text of [name, `${ok ? "✓" : "△"} ${state}`, figure]) {
      line.append(Object.assign(document.createElement("td"), { textContent: text }));
    }
    line.cells[2].className = "number secondary";
    line.cells[1].className = ok ? "ok" : "away";
    return line;
  });
  services.querySelector("tbody")?.replaceChildren(...lines);
}

live.addEventListener("status", soon(() => void refresh(), EVERY_MS));
live.onResync(() => refresh());
key("j", "next refused message", () => move(rows(), 1));
key("k", "previous refused message", () => move(rows(), -1));
key("Enter", "open or close it", () => {
  const link = opener(cursor());
  if (link) void open(link);
});
key("x", "choose it", () => /** @type {HTMLElement | null | undefined} */ (cursor()?.querySelector("input:enabled"))?.click());
void look();
setInterval(() => void look(), SERVICES_MS);
