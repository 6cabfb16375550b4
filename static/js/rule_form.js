// A rule as a form: its fields show what the text says, and what is changed in one is changed in the text, where it
// stands. The text remains what is saved.

const VIEWS = /** @type {const} */ (["text", "form"]);
const KINDS = /** @type {Record<string, string>} */ ({ absence: "absence", pipeline: "pipeline" });

/**
 * @param {HTMLFormElement} editor @param {HTMLTextAreaElement} source
 * @param {{changed: () => void, hold: (isHeld: boolean) => void}} told when the text was changed, and while a field says
 * what the text does not say yet
 */
export function startForm(editor, source, { changed, hold }) {
  const holder = /** @type {HTMLElement} */ (editor.querySelector("#rule-form"));
  const tabs = /** @type {HTMLElement} */ (editor.querySelector("#views"));
  const said = /** @type {HTMLElement} */ (holder.querySelector("#form-said"));
  const fields = /** @type {NodeListOf<HTMLInputElement>} */ (holder.querySelectorAll("[data-path]"));

  const touched = /** @type {Set<EventTarget>} */ (new Set()); // what is typed in them is not asked for yet
  let queue = Promise.resolve(); // each question asks with the text that the one before left
  let waiting = 0;

  function settle() {
    if (!waiting && !touched.size) hold(false);
  }

  /** @param {Record<string, string>} more */
  async function ask(more) {
    const token = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="csrf-token"]'));
    const response = await fetch(editor.dataset.form ?? "", {
      method: "POST",
      headers: { "X-CSRFToken": token?.content ?? "" },
      body: new URLSearchParams({ source: source.value, ...more }),
    });
    if (!response.ok || response.redirected) throw new Error(`form: ${response.status}`);
    return response.json();
  }

  /** @param {{values: Record<string, string>, problem: string}} answer */
  function fill({ values, problem }) {
    said.textContent = problem ? `The form cannot read the text: ${problem}` : "";
    said.hidden = !problem;
    for (const each of fields) {
      each.disabled = Boolean(problem) || source.readOnly;
      if (each.disabled) touched.delete(each);
      if (each !== document.activeElement) each.value = values[each.dataset.path ?? ""] ?? "";
    }
    const kind = KINDS[values.over] ?? "rows";
    for (const part of /** @type {NodeListOf<HTMLElement>} */ (holder.querySelectorAll("[data-kind]"))) {
      part.hidden = !(part.dataset.kind ?? "").split(" ").includes(kind);
    }
  }

  /** @param {Record<string, string>} more */
  async function takeOver(more) {
    try {
      let asked, answer;
      do {
        asked = source.value;
        answer = await ask(more);
      } while (asked !== source.value); // somebody typed in the text meanwhile
      if (answer.source !== source.value) {
        source.value = answer.source;
        changed();
      }
      if (waiting === 1) fill(answer);
    } catch {
      said.textContent = "There was no answer: change the text instead.";
      said.hidden = false;
    }
    waiting -= 1;
    settle();
  }

  /** @param {Record<string, string>} [more] */
  function read(more = {}) {
    waiting += 1;
    hold(true);
    queue = queue.then(() => takeOver(more));
  }

  /** @param {typeof VIEWS[number]} view */
  function show(view) {
    for (const tab of tabs.querySelectorAll("button")) tab.setAttribute("aria-pressed", String(tab.dataset.view === view));
    /** @type {HTMLElement} */ (editor.querySelector(".code")).hidden = view !== "text";
    holder.hidden = view !== "form";
    if (view === "form") read();
  }

  tabs.addEventListener("click", (event) => {
    const tab = /** @type {HTMLElement} */ (event.target).closest("button");
    if (tab) show(/** @type {typeof VIEWS[number]} */ (tab.dataset.view));
  });
  holder.addEventListener("input", ({ target }) => {
    if (!(/** @type {HTMLElement} */ (target).dataset.path)) return;
    touched.add(/** @type {EventTarget} */ (target));
    hold(true);
  });
  holder.addEventListener("change", (event) => {
    const { dataset, value } = /** @type {HTMLInputElement} */ (event.target);
    touched.delete(/** @type {EventTarget} */ (event.target));
    if (dataset.path) read({ path: dataset.path, value });
  });
  holder.addEventListener("focusout", ({ target }) => {
    if (touched.delete(/** @type {EventTarget} */ (target))) settle(); // it says again what it said
  });
  holder.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault(); // it is no wish to save
    event.target.blur();
    event.target.focus();
  });
  return { showText: () => show("text") };
}
