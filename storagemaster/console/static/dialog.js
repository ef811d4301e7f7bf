// What floats: dialogs that show the plan of an act, menus, and toasts.

import { h, icon } from "./dom.js";

// Shows the plan of an act; resolves to true if the act is confirmed.
//   title       a question
//   plan        sentences: strings, or {icon, text}
//   warning     what cannot be undone, or null
//   act, keep   words of the two buttons
//   typed       a text to type first, or null
//   isDoom      the act destroys something
//   before      elements above the plan, such as thumbnails
export function ask({ title, plan, warning, act, keep, typed, isDoom = false, before = [] }) {
  return new Promise((resolve) => {
    const field = typed && h("input", { type: "text", id: "typed", autocomplete: "off", inputmode: "numeric" });
    const go = h("button", { class: isDoom ? "doom" : "primary", value: "act", disabled: Boolean(typed) }, act);
    if (field) field.oninput = () => (go.disabled = field.value.trim() !== String(typed));
    const safe = h("button", { class: "plain", value: "keep", type: "button" }, keep);
    const dialog = h(
      "dialog", { "aria-labelledby": "dialog-title" },
      h(
        "form", { method: "dialog" },
        h("h2", { id: "dialog-title" }, title),
        ...before,
        h("ul", { class: "plan" }, plan.map(planItem)),
        warning && h("p", { class: "warning" }, icon("triangle"), h("span", {}, warning)),
        field && h("label", { for: "typed" }, `Type ${typed} to confirm`),
        field,
        h("div", { class: "buttons" }, safe, go),
      ),
    );
    safe.onclick = () => dialog.close("keep");
    show(dialog, safe, () => resolve(dialog.returnValue === "act"));
  });
}

// Shows a text that the browser could not copy by itself.
export function showText(title, text) {
  const field = h("textarea", { readonly: true, rows: 4, "aria-label": title }, text);
  const done = h("button", { class: "plain" }, "Done");
  const dialog = h(
    "dialog", { "aria-labelledby": "dialog-title" },
    h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, title), field,
      h("div", { class: "buttons" }, done)),
  );
  show(dialog, field, () => {});
  field.select();
}

// Shows something to read.
export function showEntry(title, content) {
  const done = h("button", { class: "plain" }, "Close");
  const dialog = h(
    "dialog", { "aria-labelledby": "dialog-title" },
    h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, title), ...content,
      h("div", { class: "buttons" }, done)),
  );
  show(dialog, done, () => {});
}

function show(dialog, first, whenClosed) {
  const before = document.activeElement;
  dialog.returnValue = "keep";
  dialog.onclose = () => {
    dialog.remove();
    if (before?.isConnected) before.focus();
    whenClosed();
  };
  // A click beside the dialog keeps everything as it is.
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close("keep");
  };
  document.body.append(dialog);
  dialog.showModal();
  first.focus();
}

function planItem(item) {
  const { icon: shape, text } = typeof item === "string" ? { icon: "tick", text: item } : item;
  return h("li", {}, icon(shape), h("span", {}, text));
}

// A button that opens a menu. items: {text, side, choose}; note: a line below them.
export function menuButton(label, name, items, note) {
  const list = h("div", { class: "menu", role: "menu", hidden: true, "aria-label": name });
  const button = h(
    "button", { class: "quiet", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": name },
    label, icon("chevron"),
  );
  const close = (isFocused) => {
    list.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (isFocused) button.focus();
  };
  const entries = () => [...list.querySelectorAll("[role=menuitem]")];
  button.onclick = () => {
    if (!list.hidden) return close(true);
    list.replaceChildren(
      ...items().map(({ text, side, choose }) =>
        h("button", { role: "menuitem", tabindex: "-1", onclick: () => (close(true), choose()) },
          h("span", {}, text), side && h("span", { class: "side" }, side))),
      ...(note ? [h("p", { class: "small" }, note)] : []),
    );
    list.hidden = false;
    button.setAttribute("aria-expanded", "true");
    entries()[0].focus();
  };
  const around = h("div", { class: "menu-place" }, button, list);
  around.onkeydown = (event) => {
    if (list.hidden) return;
    const all = entries();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Escape") close(true);
    else if (to === undefined) return;
    else all[(to + all.length) % all.length].focus();
    event.preventDefault();
  };
  around.onfocusout = (event) => {
    if (!around.contains(event.relatedTarget)) close(false);
  };
  return around;
}

const TOAST_SECONDS = 6;

// Says that an act is done. Failures stay on the page instead.
export function toast(text) {
  const place = document.querySelector(".toasts");
  const item = h("div", { class: "toast" }, icon("tick"), h("span", {}, text),
    h("button", { class: "quiet", "aria-label": "Dismiss", onclick: () => item.remove() }, icon("cross")));
  place.replaceChildren(item);
  const leave = () => (item.matches(":hover, :focus-within") ? wait() : item.remove());
  const wait = () => setTimeout(leave, TOAST_SECONDS * 1000);
  wait();
}

// Copies a text, and says so; shows it where the browser does not allow that.
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied.`);
  } catch {
    showText(`Copy ${what.toLowerCase()}`, text);
  }
}
