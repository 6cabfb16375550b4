// What tests measure on every page, beside axe. Each answers with what is wrong, a line for each fault.
"use strict";
(() => {
  const named = (element) => {
    const id = element.id ? `#${element.id}` : "";
    const classes = [...element.classList].slice(0, 3).map((each) => `.${each}`).join("");
    const words = (element.getAttribute("aria-label") ?? element.textContent ?? "").trim().replace(/\s+/g, " ").slice(0, 40);
    return `<${element.localName}${id}${classes}> ${JSON.stringify(words)}`;
  };
  const all = (selector) => [...document.querySelectorAll(selector)];
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".sr-only, .skip, [inert]");
  const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

  /** Rule, element, and why. */
  async function axe() {
    const { violations } = await window.axe.run(document, {
      runOnly: { type: "tag", values: TAGS }, resultTypes: ["violations"], preload: false, iframes: false,
    });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, any, all: every, none }) => `${id}: ${target.join(" ")}: ${[...any, ...every, ...none].map(({ message }) => message).join("; ")}`));
  }

  /** What makes the page scroll sideways, once it stands. */
  async function sideways() {
    for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame); // charts follow their boxes
    const over = document.documentElement.scrollWidth - innerWidth;
    if (over <= 0) return [];
    const scrolls = (/** @type {Element | null} */ each) => {
      for (let at = each?.parentElement; at && at !== document.body; at = at.parentElement) if (getComputedStyle(at).overflowX !== "visible") return true;
      return false;
    };
    const wide = all("body *").filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth + 0.5 && !scrolls(each));
    return [`scrolls ${over} px sideways: ${wide.slice(0, 4).map(named).join(", ")}`];
  }

  /**
   * What a thumb misses: actions that are not `least` px high, boxes to tick that are not 24 px. Words in a sentence and
   * links in a table may be smaller; what stands within a field has the field's height without its border.
   */
  function thumbs(least) {
    const actions = all("button, summary, select, input:not([type=hidden]), textarea, .button, .choice a, nav a, .menu-list a, .facet");
    return actions
      .filter((each) => isShown(each) && !each.closest("p"))
      .map((each) => [each, (each.closest("label") ?? each).getBoundingClientRect(), ["checkbox", "radio"].includes(each.type) ? 24 : least])
      .filter(([, { width, height }, wanted]) => width > 0 && (height < wanted - 2.5 || width < 23.5))
      .map(([each, { width, height }]) => `${Math.round(width)}x${Math.round(height)} px for a thumb: ${named(each)}`);
  }

  /** What moves by itself, or would. */
  function still() {
    const moving = document.getAnimations().map(({ effect }) => `moves: ${named(effect.target)}`);
    const smooth = all("*").filter((each) => {
      const { scrollBehavior, transitionDuration } = getComputedStyle(each);
      return scrollBehavior === "smooth" || transitionDuration.split(",").some((length) => parseFloat(length) > 0.01);
    });
    return [...moving, ...smooth.map((each) => `moves when it changes: ${named(each)}`)];
  }

  /** Letters and lines as far apart as WCAG 1.4.12 wants them to be endured. @param {boolean} on */
  function spaced(on) {
    const sheet = new CSSStyleSheet();
    if (on) {
      sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
        p { margin-bottom: 2em !important; }`);
    }
    document.adoptedStyleSheets = on ? [sheet] : [];
  }

  /** Text that its box cuts off below. */
  function cut() {
    return all("main *, header *, nav *, dialog *")
      .filter((each) => isShown(each) && each.clientHeight > 4 && ["hidden", "clip"].includes(getComputedStyle(each).overflowY))
      .filter((each) => each.scrollHeight > each.clientHeight + 3 && !each.querySelector("canvas") && each.innerText?.trim())
      .map((each) => `cuts off ${each.scrollHeight - each.clientHeight} px: ${named(each)}`);
  }

  /** Times of day that do not say what they are in UTC. */
  function times() {
    const texts = document.createTreeWalker(document.querySelector("main") ?? document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
      const text = texts.currentNode.textContent ?? "";
      const element = texts.currentNode.parentElement;
      if (!/\b\d{1,2}:\d{2}\b/.test(text) || !isShown(element) || element.closest("script, option, textarea, pre, .uplot, svg")) continue;
      if (/UTC/.test(element.closest("[title]")?.title ?? "") || /UTC/.test(element.closest("table, section, p")?.textContent ?? "")) continue;
      found.push(`no UTC: ${JSON.stringify(text.trim().slice(0, 60))} in ${named(element)}`);
    }
    return found;
  }

  /** How far the page has moved by itself since it began to load, where that can be seen. */
  function jumps() {
    const moved = (window.loaded ?? []).reduce((sum, { value }) => sum + value, 0);
    const first = (window.loaded ?? []).sort((a, b) => b.value - a.value)[0]?.sources[0]?.node;
    return moved < 0.01 ? [] : [`moved by ${moved.toFixed(3)} while it loaded: ${first instanceof Element ? named(first) : ""}`];
  }

  /** What is focused, and what is wrong with that: nobody sees it, or it is not there to be seen. */
  function focused() {
    const element = document.activeElement;
    if (!element || element === document.body) return ["", ""];
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const around = element.closest("label") ?? element;
    const { left, top, width, height } = around.getBoundingClientRect();
    const seen = document.elementFromPoint(Math.min(Math.max(left + width / 2, 1), innerWidth - 1), Math.min(Math.max(top + height / 2, 1), innerHeight - 1));
    const ringed = (outlineStyle !== "none" && parseFloat(outlineWidth) >= 1) || around !== element;
    const fault = !ringed ? "no ring" : !box.width || box.right < 0 || box.left > innerWidth || box.bottom < 0 || box.top > innerHeight ? "out of sight"
      : !seen || !(around.contains(seen) || seen.contains(around)) ? `behind ${seen ? named(seen) : "nothing"}` : "";
    return [named(element), fault];
  }

  window.measures = { focused, jumps, axe, sideways, thumbs, still, spaced, cut, times, named, isShown };
})();
