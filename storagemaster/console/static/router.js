// Router of the console: the session, the top bar, and the page that the path names.
//
// A page is an ES module that PAGES lists. It exports
//
//   title     its heading, also in the browser's title
//   scope     the scope that it needs; without it the router shows why the page is closed
//   render(context)
//             fills `context.main`; called at each visit. It may return a promise. An error that it
//             throws is shown with a button that renders the page again.
//
// and context has
//
//   main      the <main> element, empty
//   parts     the path behind the page's name: ["3", "01jd3x8m2c9qp4k7", "3fz8qd"]
//   query     the URLSearchParams of the address
//   session   what GET /console/session returns
//   may(s)    true if the token has scope s: hide acts without it, the API refuses them anyway
//   on(name, listener)   events of the stream until the page is left, such as "status" with the
//                        document of GET /status; the latest one comes at once
//   signal    aborted when the page is left; pass it to requests and listeners
//   go(path)  shows another page, such as "/console/photos"
//   again()   renders this page again
//
// Requests are in api.js, elements in dom.js, shared parts in components.js, plans and toasts in
// dialog.js, charts in chart.js. Acts show their plan with `ask` first.

import * as api from "./api.js";
import { notAllowed, problemNotice } from "./components.js";
import { h, mark } from "./dom.js";
import { pill } from "./health.js";
import { openLink, signInForm } from "./sign-in.js";
import * as stream from "./stream.js";

const PAGES = ["photos", "upload", "cluster", "volumes", "work", "audit"];
const HOME = "/console/photos";
const NAMES = { photos: "Photos", upload: "Upload", cluster: "Cluster", volumes: "Volumes", work: "Work", audit: "Audit" };

let session = null;
let leaving = new AbortController();
let main;
let health;

async function begin() {
  try {
    const link = location.pathname === "/console/sign-in" ? location.hash.slice(1) : "";
    if (link) {
      // The link works once; it must not stay in the address.
      history.replaceState(null, "", HOME);
      session = await openLink(link);
    } else {
      session = await api.get("/console/session");
    }
  } catch (problem) {
    return problem.status === 401 ? showSignIn(problem) : showProblem(problem);
  }
  enter();
}

function enter() {
  api.useSession(session);
  stream.start();
  draw();
  visit();
}

function showProblem(problem) {
  document.body.replaceChildren(h("main", { id: "main" }, problemNotice(problem, () => location.reload())));
}

// The address stays, so that the page comes back after signing in.
function showSignIn(problem = null) {
  leave();
  stream.stop();
  const wasSignedIn = session !== null;
  session = null;
  api.useSession(null);
  const name = NAMES[pageOf(location.pathname)?.name] ?? "Photos";
  document.title = "Sign in · Glassplate";
  document.body.replaceChildren(signInForm({
    place: name,
    reason: wasSignedIn || problem?.detail.includes("ended") || problem?.detail.includes("used") ? problem?.detail : "",
    done(begun) {
      session = begun;
      if (location.pathname === "/console/sign-in") history.replaceState(null, "", HOME);
      enter();
    },
  }));
  document.querySelector("input").focus();
}

async function signOut() {
  await api.send("DELETE", "/console/session").catch(() => null);
  showSignIn();
}

function draw() {
  main = h("main", { id: "main", tabindex: "-1" });
  health = h("div", { class: "health", "aria-live": "polite" });
  const who = () => [h("span", {}, session.application), h("button", { class: "link", onclick: signOut }, "Sign out")];
  document.body.replaceChildren(
    h("a", { class: "skip", href: "#main" }, "Skip to content"),
    h(
      "header", { class: "bar" },
      h("a", { class: "brand", href: HOME }, mark(), "Glassplate"),
      h("nav", { "aria-label": "Pages" }, PAGES.map((name) => h("a", { href: `/console/${name}` }, NAMES[name]))),
      health,
      h("div", { class: "who" }, who()),
    ),
    main,
    h("footer", { class: "foot" }, "Signed in as ", who()),
    h("div", { class: "toasts", role: "status" }),
  );
  drawHealth();
}

function drawHealth() {
  if (!health || !stream.latest.status) return;
  const next = pill(stream.latest.status);
  if (health.textContent !== next.textContent) health.replaceChildren(next);
}

function pageOf(path) {
  const [, , name, ...parts] = path.split("/");
  const module = name === "photo" ? "photo" : PAGES.find((each) => each === name);
  return module ? { module, name: name === "photo" ? "photos" : name, parts: parts.filter(Boolean) } : null;
}

function leave() {
  leaving.abort();
  leaving = new AbortController();
}

async function visit() {
  leave();
  const page = pageOf(location.pathname);
  if (!page) return go(HOME);
  const { signal } = leaving;
  main.setAttribute("aria-busy", "true");
  for (const link of document.querySelectorAll("nav a")) {
    const isHere = link.pathname === `/console/${page.name}`;
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const { title, scope, render } = await import(`./${page.module}.js`);
  if (signal.aborted) return;
  document.title = `${title} · Glassplate`;
  main.replaceChildren();
  main.className = page.module;
  const may = (each) => session.scopes.includes(each);
  const context = {
    main, session, may, go, signal,
    parts: page.parts,
    query: new URLSearchParams(location.search),
    on: (name, listener) => stream.subscribe(name, listener, { signal }),
    again: visit,
  };
  try {
    if (scope && !may(scope)) main.replaceChildren(...notAllowed(title, scope));
    else await render(context);
  } catch (problem) {
    if (signal.aborted || problem.status === 401) return;
    if (!(problem instanceof api.Problem)) console.error(problem);
    main.replaceChildren(h("h1", {}, title), problemNotice(problem, visit));
  }
  if (!signal.aborted) main.removeAttribute("aria-busy");
}

function go(path) {
  history.pushState(null, "", path);
  visit();
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/console/']");
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || event.defaultPrevented || link.target) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
window.addEventListener("popstate", () => session && visit());
window.addEventListener("signed-out", (event) => session && showSignIn(event.detail));
stream.subscribe("status", drawHealth);
// Also without news, to say that there is none.
setInterval(drawHealth, 2000);
stream.subscribe("signed-out", () => session && showSignIn({ detail: "The session has ended: its token expired or was revoked." }));
stream.subscribe("refused", () => session && api.get("/console/session").catch((problem) => problem.status === 401 && showSignIn(problem)));

begin();
