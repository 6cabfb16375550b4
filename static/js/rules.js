// The rules: cursor and keys in the list; in the editor, line numbers, and lint 300 ms after the last key.

import { startBacktest } from "./backtest.js";
import { key } from "./keyboard.js";

const LINT_AFTER_MS = 300;
const rows = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".rule-row")]);
const cursor = () => rows().find((row) => row.classList.contains("cursor"));

/** @param {number} step */
function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("cursor"));
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  for (const row of all) row.classList.toggle("cursor", row === next);
  next.scrollIntoView({ block: "nearest" });
}

/** @typedef {{line: number, column: number, message: string}} Problem */

/** @param {HTMLFormElement} form @param {() => void} tryIt */
function startEditor(form, tryIt) {
  const source = /** @type {HTMLTextAreaElement} */ (form.querySelector("#source"));
  const lines = /** @type {HTMLElement} */ (form.querySelector("#lines"));
  const list = /** @type {HTMLElement} */ (form.querySelector("#problems"));
  const verdict = /** @type {HTMLElement} */ (form.querySelector("#verdict"));
  const save = /** @type {HTMLButtonElement | null} */ (form.querySelector("#save"));
  const discard = /** @type {HTMLElement | null} */ (form.querySelector("#discard"));
  const saved = form.dataset.saved === "yes" ? source.value : null;
  const run = /** @type {HTMLButtonElement | null} */ (document.querySelector("#backtest-run"));
  let due = 0;
  let asked = 0;
  let leaving = false;

  const isChanged = () => source.value !== saved;

  function number() {
    const count = source.value.split("\n").length;
    source.rows = Math.max(count + 1, 12);
    while (lines.childElementCount < count) {
      const item = document.createElement("li");
      item.textContent = `${lines.childElementCount + 1}`;
      lines.append(item);
    }
    while (lines.childElementCount > count) lines.lastElementChild?.remove();
  }

  /** @param {Problem[]} problems @param {Problem[]} warnings */
  function show(problems, warnings) {
    const wrong = new Set([...problems, ...warnings].map(({ line }) => line));
    [...lines.children].forEach((item, index) => item.classList.toggle("wrong", wrong.has(index + 1)));
    list.replaceChildren(...problems.map((each) => entry(each)), ...warnings.map((each) => entry(each, ", warning")));
    const first = problems[0];
    const said = problems.length === 1 ? "1 error" : `${problems.length} errors`;
    const known = warnings.length === 1 ? ", 1 warning" : warnings.length ? `, ${warnings.length} warnings` : "";
    verdict.textContent = first ? `${said}, line ${first.line}` : `no errors${known}${isChanged() ? ", not saved" : ""}`;
    verdict.classList.toggle("wrong", Boolean(first));
    source.setAttribute("aria-invalid", first ? "true" : "false");
    if (save) save.disabled = Boolean(first) || !isChanged();
    if (run) run.disabled = Boolean(first);
  }

  /** @param {Problem} problem @param {string} [kind] */
  function entry({ line, column, message }, kind = "") {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const place = document.createElement("b");
    button.type = "button";
    button.dataset.line = `${line}`;
    button.dataset.column = `${column}`;
    place.textContent = `Line ${line}, column ${column}${kind}:`;
    button.append(place, ` ${message}`);
    item.append(button);
    return item;
  }

  async function lint() {
    const turn = ++asked;
    const token = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="csrf-token"]'));
    try {
      const response = await fetch(form.dataset.lint ?? "", {
        method: "POST",
        headers: { "X-CSRFToken": token?.content ?? "" },
        body: new URLSearchParams({ source: source.value, rule_id: form.dataset.rule ?? "" }),
      });
      if (!response.ok || response.redirected) throw new Error(`lint: ${response.status}`);
      const { problems, warnings } = await response.json();
      if (turn === asked) show(problems, warnings);
    } catch {
      if (turn !== asked) return;
      verdict.textContent = "not checked: no answer, saving checks it";
      if (save) save.disabled = !isChanged();
    }
  }

  function typed() {
    number();
    if (discard) discard.hidden = !isChanged() && saved !== null;
    for (const each of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".draft"))) each.hidden = !isChanged();
    if (save) save.disabled = true; // until it is known to be a rule
    verdict.textContent = "checking";
    verdict.classList.remove("wrong");
    asked += 1;
    clearTimeout(due);
    due = setTimeout(() => void lint(), LINT_AFTER_MS);
  }

  list.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest("button"));
    if (!button) return;
    const before = source.value.split("\n").slice(0, Number(button.dataset.line) - 1);
    const at = before.reduce((sum, line) => sum + line.length + 1, 0) + Number(button.dataset.column) - 1;
    source.focus();
    source.setSelectionRange(at, at);
  });
  const note = /** @type {HTMLInputElement | null} */ (form.querySelector("#note"));
  const why = document.querySelector("#draft-why");
  note?.addEventListener("input", () => {
    if (why) why.textContent = note.value;
  });
  document.querySelector("#diff")?.addEventListener("htmx:afterSettle", () => {
    /** @type {HTMLElement | null} */ (document.querySelector("#diff-title"))?.focus();
  });
  form.addEventListener("submit", () => {
    leaving = true;
  });
  discard?.addEventListener("click", () => {
    leaving = true;
  });
  addEventListener("beforeunload", (event) => {
    if (!leaving && source.value !== source.defaultValue) event.preventDefault();
  });
  number();
  if (source.readOnly) return;
  source.addEventListener("input", typed);
  form.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey)) return;
    if (event.key === "Enter" && event.target === source) {
      event.preventDefault();
      tryIt();
    }
    if (event.key !== "s") return;
    event.preventDefault();
    if (save && !save.disabled) form.requestSubmit(save);
  });
  if (list.childElementCount) {
    const given = /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll("button"));
    for (const each of given) lines.children[Number(each.dataset.line) - 1]?.classList.add("wrong");
    verdict.textContent = "not saved";
    verdict.classList.add("wrong");
  } else {
    void lint();
  }
}

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("#editor"));
const trial = /** @type {HTMLFormElement | null} */ (document.querySelector("#backtest"));
if (form && trial) {
  const tryIt = startBacktest(trial);
  startEditor(form, tryIt);
  key("b", "run the backtest; in the editor Ctrl+Enter", tryIt);
}
document.addEventListener("toggle", (event) => {
  const menu = /** @type {HTMLElement} */ (event.target);
  if (menu instanceof HTMLDetailsElement && menu.open) /** @type {HTMLElement | null} */ (menu.querySelector('input[name="note"]'))?.focus();
}, true);
key("j", "next rule", () => move(1));
key("k", "previous rule", () => move(-1));
key("Enter", "open", () => {
  const href = cursor()?.dataset.href;
  if (href) location.assign(href);
});
key("/", "find a rule", () => /** @type {HTMLElement | null} */ (document.querySelector("#rules-q"))?.focus());
