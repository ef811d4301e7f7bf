// Signing in: a photo and one field, or a link that works once.

import { post } from "./api.js";
import { h, icon, mark } from "./dom.js";

export function openLink(link) {
  return post("/console/session", { body: { link } });
}

// place: the page that follows; reason: why the last session ended, or ""; done(session).
export function signInForm({ place, reason, done }) {
  const field = h("input", {
    id: "token", type: "password", autocomplete: "current-password", required: true,
    spellcheck: "false", "aria-describedby": "token-problem",
  });
  const problem = h("p", { id: "token-problem", class: "field-problem", role: "alert" });
  const button = h("button", { class: "primary" }, "Sign in");
  const form = h(
    "form", { class: "sign-in" },
    h("p", { class: "brand" }, mark(), "Glassplate"),
    h("h1", {}, "Sign in"),
    reason ? h("p", { class: "line" }, reason) : null,
    h("p", { class: "line" }, "You will be taken to ", h("strong", {}, place), "."),
    h("label", { for: "token" }, "Token"),
    field, problem, button,
    h("p", { class: "small" }, "Make one with ", h("code", {}, "glassplate token create --scope read"),
      ". You stay signed in for 12 hours at most. Signing out forgets the session in this browser; to end it everywhere, revoke its token."),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    problem.replaceChildren();
    try {
      done(await post("/console/session", { body: { token: field.value } }));
    } catch (error) {
      field.setAttribute("aria-invalid", "true");
      problem.replaceChildren(icon("octagon"), h("span", {}, wordsFor(error)));
      field.focus();
    } finally {
      button.disabled = false;
    }
  };
  return h("main", { id: "main", class: "entrance" },
    h("img", { src: "/console/static/entrance.jpg", alt: "" }), form);
}

function wordsFor(error) {
  if (error.status !== 401) return error.detail || error.message;
  const reason = error.detail.replace(/^.*: /, "");
  return `This token was refused: ${reason}. Make another with the command below.`;
}
