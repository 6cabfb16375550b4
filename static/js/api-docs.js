// The page of the API: an address of it opens what it leads to, and what only reads can be tried.

const LONGEST = 20_000; // characters of an answer that are shown

/** What folds is open where the address leads: browsers do so themselves, but not all. */
function reveal() {
  const at = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const fold = at?.closest("details");
  if (!fold || fold.open) return;
  fold.open = true;
  fold.scrollIntoView();
}

/** The address that a form asks for: what is in braces from its fields, the others as a query where filled in. @param {HTMLFormElement} form */
function addressOf(form) {
  const query = new URLSearchParams();
  let path = form.dataset.path ?? "";
  for (const [name, value] of new FormData(form)) {
    const text = String(value).trim();
    if (path.includes(`{${name}}`)) path = path.replace(`{${name}}`, encodeURIComponent(text));
    else if (text) query.append(name, text);
  }
  return query.size ? `${path}?${query}` : path;
}

/** @param {string} text JSON or not */
function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** @param {HTMLFormElement} form */
async function tryIt(form) {
  const said = /** @type {HTMLElement} */ (form.querySelector("[role=status]"));
  const shown = /** @type {HTMLElement} */ (form.querySelector(".answer"));
  const address = addressOf(form);
  said.textContent = `Asking ${address}`;
  try {
    const began = performance.now();
    const response = await fetch(address, { headers: { Accept: "application/json" } });
    const text = readable(await response.text());
    said.textContent = `${response.status} ${response.statusText} from ${address} in ${Math.round(performance.now() - began)} ms`;
    shown.textContent = text.length > LONGEST ? `${text.slice(0, LONGEST)}\n… ${text.length - LONGEST} characters more` : text;
    shown.hidden = false;
  } catch {
    said.textContent = "The server did not answer. Try again in a moment.";
    shown.hidden = true;
  }
}

for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll(".api-try"))) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void tryIt(form);
  });
}
addEventListener("hashchange", reveal);
reveal();
