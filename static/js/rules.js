// The rules: cursor and keys in the list; in the editor, line numbers, and lint 300 ms after the last key.

import { startBacktest } from "./backtest.js";
import { key } from "./keyboard.js";
import { startRows } from "./rows.js";
import { startForm } from "./rule_form.js";
import { startHighlight } from "./rule_highlight.js";

const LINT_AFTER_MS = 300;
const rows = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".rule-row")]);

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
  let isHeld = false; // a field of the form says what the text does not say yet
  let leaving = false;

  const highlight = startHighlight(source, /** @type {HTMLElement} */ (form.querySelector("#lit")));
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
    highlight(problems, warnings);
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
      if (turn === asked && !isHeld) show(problems, warnings);
    } catch {
      if (turn !== asked || isHeld) return;
      verdict.textContent = "not checked: no answer, saving checks it";
      if (save) save.disabled = !isChanged();
      if (run) run.disabled = false;
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

  /** Neither saved nor tried while a field is ahead of the text; then it is checked. @param {boolean} hold */
  function holdBack(hold) {
    if (source.readOnly) return;
    isHeld = hold;
    clearTimeout(due);
    if (!hold) return void lint();
    if (save) save.disabled = true;
    if (run) run.disabled = true;
    verdict.textContent = "checking";
    verdict.classList.remove("wrong");
  }

  list.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest("button"));
    if (!button) return;
    views.showText();
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
  const views = startForm(form, source, { changed: () => source.dispatchEvent(new Event("input")), hold: holdBack });
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
    highlight([...given].map(({ dataset }) => ({ line: Number(dataset.line), column: Number(dataset.column) })), []);
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
startRows({ rows, noun: "rule", finds: "find a rule", search: "#rules-q" });
