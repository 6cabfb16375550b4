// Single keys and two-key sequences, and the help that lists those that work on this page.
// Off while typing, and off for good with the switch in the help (WCAG 2.1.4).

/** @type {Map<string, {label: string, run: (event: KeyboardEvent) => void}>} */
const keys = new Map();
const SEQUENCE_MS = 1200;
let first = "";
let firstAt = 0;

/**
 * Gives a key (`j`, `Enter`, `Shift+x`) or a sequence (`g o`) its meaning on this page.
 * @param {string} combo
 * @param {string} label as the help shows it; with "" it is not listed
 * @param {(event: KeyboardEvent) => void} run
 */
export function key(combo, label, run) {
  keys.set(combo, { label, run });
  if (document.querySelector("#keys[open]")) list(); // opened before the page's own module came
}

const keysAreOn = () => localStorage.getItem("telara.keys") !== "off";

/** Says which row the cursor has come to, for whoever does not see it. @param {HTMLElement} row */
export function sayRow(row) {
  const said = [...row.querySelectorAll(".mark, a")].slice(0, 3).map((each) => (each.textContent ?? "").trim());
  const region = document.querySelector("#announce");
  if (region) region.textContent = said.join(", ");
}

/** @param {KeyboardEvent} event */
function typing(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target instanceof HTMLInputElement && /^(radio|checkbox)$/.test(target.type)) return false;
  return target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
}

/** Whether Enter means something where the focus is: not on the page itself (it goes to #main where what had it is gone), and not in a
 *  dialog that was just closed. @param {KeyboardEvent} event */
function focused(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  return !target.matches("body, #main") && !target.closest("dialog:not([open])");
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.key === "Escape" && typing(event)) /** @type {HTMLElement} */ (event.target).blur();
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event) || !keysAreOn()) return;
  if (document.querySelector("dialog[open]") && event.key !== "?") return;
  const isLetter = /^[a-z]$/i.test(event.key); // a capital one without Shift, too: of Caps Lock
  const name = isLetter ? `${event.shiftKey ? "Shift+" : ""}${event.key.toLowerCase()}` : event.key;
  if (event.repeat && !/^[jk]$/.test(name)) return; // held, a key would decide about row after row
  const combo = first && event.timeStamp - firstAt < SEQUENCE_MS ? `${first} ${name}` : name;
  const found = keys.get(combo);
  first = "";
  if (found) {
    if (name === "Enter" && focused(event)) return;
    event.preventDefault();
    found.run(event);
  } else if ([...keys.keys()].some((each) => each.startsWith(`${name} `))) {
    first = name;
    firstAt = event.timeStamp;
  }
}

function help() {
  const dialog = /** @type {HTMLDialogElement | null} */ (document.querySelector("#keys"));
  if (!dialog) return;
  if (dialog.open) {
    dialog.close();
    return;
  }
  list();
  dialog.showModal();
}

function list() {
  const shown = [...keys].filter(([, { label }]) => label);
  document.querySelector("#keys .keys")?.replaceChildren(...shown.map(([combo, { label }]) => line(combo, label)));
}

/** @param {string} combo @param {string} label */
function line(combo, label) {
  const item = document.createElement("li");
  const keysOfIt = document.createElement("span");
  keysOfIt.className = "combo";
  for (const part of combo.split(" ")) {
    const element = document.createElement("kbd");
    element.textContent = part;
    keysOfIt.append(element, " ");
  }
  const text = document.createElement("span");
  text.textContent = label;
  item.append(keysOfIt, text);
  return item;
}

/** Listens, gives `?` and the page links (`<a data-key="g o">`) their keys, and wires the help's switch. */
export function startKeyboard() {
  document.addEventListener("keydown", pressed);
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(".top a[data-key]"))) {
    key(link.dataset.key ?? "", (link.dataset.name ?? link.textContent ?? "").trim().toLowerCase(), () => link.click());
  }
  key("?", "this help", help);
  // Closed, the dialog would keep the focus when nothing else had it before.
  document.querySelector("#keys")?.addEventListener("close", () => {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    if (focused?.closest("#keys")) focused.blur();
  });
  const toggle = /** @type {HTMLInputElement | null} */ (document.querySelector("#keys-switch"));
  if (toggle) {
    toggle.checked = keysAreOn();
    toggle.addEventListener("change", () => localStorage.setItem("telara.keys", toggle.checked ? "on" : "off"));
  }
  for (const opener of document.querySelectorAll("[data-open-keys]")) opener.addEventListener("click", help);
}
