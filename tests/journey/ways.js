// What a page is held against, measured in the page itself. Nothing here waits: it works where scripts are off as well.
// What is still changing is brought to its end before anything is measured.
(() => {
  const settle = () => document.getAnimations().forEach((each) => each instanceof CSSTransition && each.finish());
  settle();

  const everything = [...document.body.querySelectorAll("*")];
  const CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";

  const name = (e) =>
    `<${e.localName} class="${e.className}" name="${e.getAttribute("name") || ""}"> ` +
    `“${(e.innerText || e.value || "").trim().slice(0, 40)}”`;

  const seen = (e) => {
    const box = e.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && box.bottom + scrollY > 0 && box.right + scrollX > 0 &&
      e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  };

  // The colour behind what an element holds.
  const clear = (colour) => colour === "transparent" || /^rgba\(.*, 0\)$/.test(colour);
  const ground = (e) => {
    for (let up = e; up; up = up.parentElement) {
      const colour = getComputedStyle(up).backgroundColor;
      if (!clear(colour)) return colour;
    }
    return getComputedStyle(document.body).backgroundColor.replace(/^rgba\((.*), 0\)$/, "rgb($1)");
  };

  // An edge is a border, an outline or a ground of its own that can be told from what is behind it.
  const line = (style, side, behind, least = 1) =>
    !["none", "hidden"].includes(style[`${side}Style`]) && parseFloat(style[`${side}Width`]) >= least &&
    !clear(style[`${side}Color`]) && style[`${side}Color`] !== behind;
  const filled = (style, behind) => !clear(style.backgroundColor) && style.backgroundColor !== behind;
  const edged = (style, behind) =>
    filled(style, behind) ||
    ["borderTop", "borderRight", "borderBottom", "borderLeft", "outline"].some((side) => line(style, side, behind));

  // Something that is shown without being text: "icon", "picture", "mark", or nothing.
  const drawn = (e, part) => {
    const style = getComputedStyle(e, part);
    if (style.display === "none" || (part && ["none", "normal"].includes(style.content))) return "";
    const behind = ground(part ? e : e.parentElement);
    if (style.maskImage !== "none") return filled(style, behind) ? "icon" : "";
    if (style.backgroundImage.includes("url(")) return "picture";
    return part && style.content === '""' && edged(style, behind) ? "mark" : "";
  };

  // LOOK: an outline, on the control or on its label. In a frame, on what has the focus there.
  const showsFocus = (e) => e.contentDocument ? showsFocus(e.contentDocument.activeElement) :
    [e, ...(e.labels || [])].some((one) => line(getComputedStyle(one), "outline", ground(one.parentElement), 2));

  // Back to where the focus was; when it was nowhere, the next Tab starts at the top of the page.
  const focus = (held) => {
    const body = document.body;
    if (held === body) body.tabIndex = -1;
    held.focus({ preventScroll: true });
    if (held === body) body.removeAttribute("tabindex");
  };

  // What leaves the page sideways. A table may scroll in a box of its own, if the keyboard can scroll that box; a box
  // that hides what does not fit loses it.
  const sideways = () => {
    const told = [];
    const root = document.documentElement;
    const hides = (e) => ["hidden", "clip"].includes(getComputedStyle(e).overflowX);
    if (hides(root) || hides(document.body)) told.push("the page hides what leaves it sideways");
    const wide = root.scrollWidth - root.clientWidth;
    if (wide > 0) {
      const out = everything.filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1);
      const last = out.filter((e) => !out.some((other) => other !== e && e.contains(other)));
      told.push(`scrolls sideways by ${wide} px: ${last.slice(0, 3).map(name).join(", ")}`);
    }
    for (const e of everything) {
      if (e.clientWidth <= 1 || e.scrollWidth <= e.clientWidth + 1 || e.matches("input, select, textarea, svg")) continue;
      const style = getComputedStyle(e);
      if (style.display === "inline" || !e.checkVisibility({ visibilityProperty: true })) continue;
      if (hides(e)) told.push(`${name(e)} cuts off ${e.scrollWidth - e.clientWidth} px`);
      if (["auto", "scroll"].includes(style.overflowX) && e.tabIndex < 0 && !e.querySelector(CONTROLS))
        told.push(`${name(e)} cannot be scrolled with the keyboard`);
    }
    return told;
  };

  // In the page's own colours: which links, buttons and labels stand in a box, and where something is drawn.
  const before = () => {
    const boxes = [], marks = [];
    everything.forEach((e, at) => {
      if (!seen(e)) return;
      if (e.matches("a[href], button, input[type=submit], input[type=button], label, summary"))
        if (edged(getComputedStyle(e), ground(e.parentElement))) boxes.push(at);
      for (const part of [null, "::before", "::after"]) {
        const kind = drawn(e, part);
        if (kind) marks.push([at, part, kind]);
      }
    });
    return { boxes, marks };
  };

  // In forced colours: those are still there, every field has its edge, and each kind of control shows the focus.
  const after = ({ boxes, marks }) => {
    const told = [];
    for (const at of boxes) {
      const e = everything[at];
      if (!edged(getComputedStyle(e), ground(e.parentElement))) told.push(`${name(e)} has lost its edge`);
    }
    for (const [at, part, kind] of marks)
      if (drawn(everything[at], part) !== kind) told.push(`${name(everything[at])} has lost its ${kind} ${part || ""}`);
    const held = document.activeElement;
    const tried = new Set();
    held.blur();
    for (const e of everything) {
      if (!e.matches(CONTROLS) || !seen(e)) continue;
      const style = getComputedStyle(e);
      const native = ["checkbox", "radio"].includes(e.type) && style.appearance !== "none";
      if (e.matches("input, select, textarea") && !native && !edged(style, ground(e.parentElement)))
        told.push(`${name(e)} has no edge`);
      const kind = [e.localName, e.type, e.className, e.parentElement.localName, e.parentElement.className].join();
      if (e.disabled || tried.has(kind)) continue;
      tried.add(kind);
      e.focus({ preventScroll: true, focusVisible: true });
      settle();
      if (!showsFocus(e)) told.push(`${name(e)} does not show the focus`);
    }
    focus(held);
    return told;
  };

  // Where the keyboard is on its way to `wanted`: whether the focus can be seen there, and whether something stands in
  // front of it (WCAG 2.4.11).
  const stop = (wanted) => {
    settle();
    const e = document.activeElement;
    if (!e || e === document.body || e === document.documentElement) return { nowhere: true };
    const box = [...e.getClientRects()].find((each) => each.width && each.height) || e.getBoundingClientRect();
    const [left, right] = [Math.max(box.left, 0), Math.min(box.right, document.documentElement.clientWidth)];
    const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, document.documentElement.clientHeight)];
    let hidden = "";
    if (right - left < 1 || bottom - top < 1) hidden = "outside the window";
    else {
      const front = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
      const own = [e, ...(e.labels || [])];
      if (front && !own.some((one) => one.contains(front) || front.contains(one))) hidden = `behind ${name(front)}`;
    }
    return {
      place: everything.indexOf(e),
      // Stops inside one thing: a date has its parts and its calendar, a frame the links of its page.
      parts: e.contentDocument ? 1 + e.contentDocument.links.length + e.contentDocument.querySelectorAll("[tabindex]").length
        : ["date", "datetime-local", "month", "time", "week"].includes(e.type) ? 6 : 1,
      name: name(e),
      shown: showsFocus(e),
      hidden,
      there: e === wanted,
      beside: e.type === "radio" && wanted.type === "radio" && e.name === wanted.name && e.form === wanted.form,
      wantedIsBefore: Boolean(wanted.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING),
    };
  };

  // How many arrow keys lead from the focused radio to the wanted one.
  const apart = (wanted) => {
    const all = [...document.getElementsByName(wanted.name)].filter((e) => e.form === wanted.form && !e.disabled);
    return all.indexOf(wanted) - all.indexOf(document.activeElement);
  };

  // What can be seen and used, but was not among the stops of a walk by Tab. One radio of a group stands for all.
  const missed = (stops) => {
    const passed = stops.map((at) => everything[at]);
    const groups = new Set(passed.filter((e) => e.type === "radio").map((e) => e.name));
    return everything
      .filter((e) => e.matches(CONTROLS) && seen(e) && !e.disabled && !passed.includes(e))
      .filter((e) => e.type !== "radio" || !groups.has(e.name))
      .map(name);
  };

  // Two pages with the same controls in the same order are one page to a keyboard.
  const controls = () =>
    everything
      .filter((e) => e.matches(CONTROLS) && seen(e))
      .map((e) => [e.localName, e.type, e.className, e.parentElement.className].join())
      .join("\n");

  return { controls, sideways, before, after, stop, apart, missed, focus };
})()
