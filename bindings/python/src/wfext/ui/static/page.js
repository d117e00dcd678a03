// The page lives: every two seconds (or as seldom as the server says, where many look) it asks whether something has changed (204: nothing), and puts what has into its place. It does not
// while it is hidden, while something is selected or being written, and while the network is away it says so. All else is links and forms, and works without this file.
"use strict";
const root = document.documentElement;
const store = { get: (k) => { try { return localStorage.getItem(k); } catch { return null; } }, set: (k, v) => { try { localStorage.setItem(k, v); } catch { /* none */ } } };
const theme = store.get("wfext-theme");
if (theme) root.dataset.theme = theme;

// (`form.id` is a field of that name, where there is one)
const idOf = (node) => (node.getAttribute && node.getAttribute("id")) || "";
// What makes a node another one, so that nothing of the old one may stay: a form by what it does, to what; a field by its kind and name.
const kindOf = (node) => node.nodeName + " " + idOf(node) + " " + (node.nodeName === "FORM" ? [...node.querySelectorAll("input[type=hidden]:not([name=back])")].map((e) => `${e.name}=${e.value}`).join("&")
  : node.nodeName === "INPUT" ? `${node.type} ${node.name}` : "");

// Puts the new tree into the old one, and leaves alone what is the same: focus, what is open, what is typed and how far was scrolled stay.
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || kindOf(old) !== kindOf(fresh)) { old.replaceWith(fresh); return; }
  if (old.nodeType !== Node.ELEMENT_NODE) { old.data = fresh.data; return; }
  const kept = old.nodeName === "DETAILS" ? ["open"] : old.type === "checkbox" ? ["checked"] : old.matches("input:not([type=hidden]), select, textarea") ? ["value", "checked"] : old.dataset.keeps ? old.dataset.keeps.split(" ") : [];
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !kept.includes(name)) old.removeAttribute(name);
  for (const { name, value } of [...fresh.attributes]) if (old.getAttribute(name) !== value && !kept.includes(name)) old.setAttribute(name, value);
  const named = new Map();
  for (const child of old.children) if (idOf(child)) named.set(idOf(child), child);
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = idOf(child) && named.get(idOf(child));
    if (same) {
      if (same !== at) old.insertBefore(same, at); else at = at.nextSibling;
      merge(same, child);
    } else if (at && !idOf(at) && !idOf(child)) {
      const next = at.nextSibling;
      merge(at, child);
      at = next;
    } else {
      old.insertBefore(child, at);
    }
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}

function times() {
  for (const each of document.querySelectorAll("time.at")) {
    const moment = new Date(each.dateTime);
    if (!isNaN(moment)) each.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

const say = (what) => { const sign = document.querySelector(".live"); if (sign) { sign.dataset.is = what; sign.lastElementChild.textContent = what; } };
const isBusy = () => {
  if (document.querySelector("main input[name=ids]:checked, main [data-hold]:focus-within")) return true;
  const focus = document.activeElement;
  if (focus && focus.matches("main input:not([type=checkbox]), main textarea, main select")) return true;
  const chosen = getSelection();
  return !!chosen && !chosen.isCollapsed;
};

let mark = "";
let asking = false;
let pause = 2000;
const beat = () => look().finally(() => setTimeout(beat, pause));
async function look() {
  if (document.hidden || asking || !mark) return;
  if (isBusy()) { say("held"); return; }
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { "Wfext-Mark": mark }, cache: "no-store", credentials: "same-origin", redirect: "error" });
    if (answer.status === 200) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (isBusy()) { say("held"); return; }  // meanwhile
      for (const part of ["main", "header.top"]) merge(document.querySelector(part), document.importNode(fresh.querySelector(part), true));
      document.title = fresh.title;
      times();
    }
    pause = Math.min(60, Number(answer.headers.get("Wfext-Pause")) || 2) * 1000;
    if (answer.ok) { mark = answer.headers.get("Wfext-Mark") || mark; say("live"); } else say("lost");
  } catch { say("lost"); } finally { asking = false; }
}

document.addEventListener("DOMContentLoaded", () => {
  mark = document.body.dataset.mark || "";
  times();
  count();
  if (mark) { say("live"); setTimeout(beat, pause); document.addEventListener("visibilitychange", look); }
});

// The selection of a list, and the number of what is selected
function count() {
  const bar = document.querySelector(".bulk");
  if (!bar) return;
  const chosen = document.querySelectorAll("input[name=ids]:checked").length;
  const text = bar.querySelector("[data-count]");
  if (text) text.textContent = chosen ? `${chosen} selected` : "Nothing selected";
  for (const button of bar.querySelectorAll("button[data-needs]")) button.disabled = !chosen;
}
let lastBox = null;
// Links that change a part of the page do so in place.
async function goSoftly(link) {
  const answer = await fetch(link.href, { credentials: "same-origin", cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  history.replaceState(null, "", link.href);
  mark = fresh.body.dataset.mark || mark;
  merge(document.querySelector("main"), document.importNode(fresh.querySelector("main"), true));
  times();
}
document.addEventListener("click", (event) => {
  const soft = event.target.closest("a[data-soft]");
  if (soft && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); goSoftly(soft).catch(() => { location.href = soft.href; }); return; }
  const box = event.target.closest("input[name=ids]");
  if (box && event.shiftKey && lastBox) {
    const all = [...document.querySelectorAll("input[name=ids]")];
    const [from, to] = [all.indexOf(lastBox), all.indexOf(box)].sort((a, b) => a - b);
    for (const each of all.slice(from, to + 1)) each.checked = box.checked;
  }
  if (box) lastBox = box;
  if (event.target.closest("[data-theme-switch]")) {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    store.set("wfext-theme", root.dataset.theme);
  }
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) for (const each of document.querySelectorAll("input[name=ids]")) each.checked = event.target.checked;
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  count();
});
document.addEventListener("submit", (event) => {
  const asks = (event.submitter && event.submitter.dataset.asks) || event.target.dataset.asks;
  if (asks && !confirm(asks)) event.preventDefault();
});

// Keys: / to the filter, j and k through rows, g and a letter to a page
let g = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) { if (event.key === "Escape") event.target.blur(); return; }
  const go = (a) => { if (a) { event.preventDefault(); a.click(); } };
  if (Date.now() - g < 1200) { g = 0; go(document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`)); return; }
  if (event.key === "g") { g = Date.now(); return; }
  if (event.key === "/") { const field = document.querySelector("[data-find]"); if (field) { event.preventDefault(); field.focus(); field.select(); } }
  if (event.key === "n") go(document.querySelector("a[rel=next]"));
  if (event.key === "p") go(document.querySelector("a[rel=prev]"));
  if (event.key === "j" || event.key === "k") {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement);
    rows[Math.max(0, Math.min(rows.length - 1, event.key === "j" ? at + 1 : at < 0 ? 0 : at - 1))].focus();
    event.preventDefault();
  }
});
