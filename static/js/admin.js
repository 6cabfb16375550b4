// Names that Django's admin leaves out, for those who hear the page.

/** @param {string} selector @param {Record<string, string>} attributes */
function name(selector, attributes) {
  for (const element of document.querySelectorAll(selector)) {
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  }
}

name("#searchbar", { "aria-label": "Search" });
name("th.original:empty", { role: "presentation" });
name(".help-tooltip[aria-label]:not([role])", { role: "img" });
// the boxes of a choice of many are made by a script that runs when all is there
addEventListener("load", () => name(".help-tooltip[aria-label]:not([role])", { role: "img" }));
