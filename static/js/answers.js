// What came of a decision is told where its button no longer is, too: htmx 2 tells the element that asked, and of one that
// was replaced meanwhile, as a row is by the copy that the decision before it asked for, nobody hears.

/** Tells the page what it would have heard, had the button stayed. @param {XMLHttpRequest} answer */
function tell(answer) {
  const trigger = (/** @type {string} */ name, /** @type {any} */ detail) => {
    // @ts-ignore htmx is a global
    htmx.trigger(document.body, name, detail);
  };
  if (!answer.status) {
    trigger("htmx:sendError", { xhr: answer });
    return;
  }
  for (const [name, said] of Object.entries(JSON.parse(answer.getResponseHeader("HX-Trigger") ?? "{}"))) trigger(name, said);
  if (answer.status >= 400) trigger("htmx:responseError", { xhr: answer });
}

export function startAnswers() {
  document.body.addEventListener("htmx:beforeSend", (event) => {
    const { elt, xhr, requestConfig } = /** @type {CustomEvent} */ (event).detail;
    if (requestConfig.verb === "get") return;
    let isGone = false;
    xhr.addEventListener("readystatechange", () => {
      if (xhr.readyState === XMLHttpRequest.DONE) isGone = !elt.isConnected; // before htmx tells it
    });
    xhr.addEventListener("loadend", () => {
      if (isGone) tell(xhr);
    });
  });
}
