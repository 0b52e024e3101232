// Optional: forms update the page in place and fields suggest items. The console works without it.
"use strict";

const WAIT_MS = 180; // after the last key

function after(wait, act) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...given), wait);
  };
}

// The link that `make up` prints has the token as its fragment, which browsers don't send.
const secret = /^#token=(pk_[\w-]+)$/.exec(location.hash);
const tokenField = document.getElementById("token");
if (secret && tokenField) {
  history.replaceState(null, "", location.pathname);
  tokenField.value = secret[1];
  tokenField.form.submit();
}

// A form with data-live="#part" replaces that part of the page with the same part of the response.
function answerInPlace(form) {
  let pending;
  const send = async () => {
    pending?.abort();
    pending = new AbortController();
    const address = new URL(form.action);
    address.search = new URLSearchParams(new FormData(form)).toString();
    const part = document.querySelector(form.dataset.live);
    part.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { signal: pending.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector(form.dataset.live);
      if (!fresh) {
        location.assign(address); // the server sent another page: the login form or an error
        return;
      }
      part.replaceChildren(...fresh.childNodes);
      part.removeAttribute("aria-busy");
      if (address.pathname === location.pathname) history.replaceState(null, "", address);
    } catch (error) {
      if (error.name !== "AbortError") location.assign(address);
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  if ("typing" in form.dataset) {
    form.addEventListener("input", after(WAIT_MS, send));
    const typed = [...form.elements].some((field) => field.value !== (field.defaultValue ?? field.value));
    if (typed) send(); // typed before this script loaded
  }
}

// A field with data-suggest suggests items, by id or by words of their titles.
function complete(field) {
  const list = document.getElementById(field.getAttribute("list"));
  const ask = after(WAIT_MS, async () => {
    const typed = field.value.trim();
    if (!typed || [...list.options].some((option) => option.value === typed)) return;
    const answer = await fetch(`suggest?${new URLSearchParams({ q: typed })}`);
    if (!answer.ok || field.value.trim() !== typed) return;
    const found = await answer.json();
    list.replaceChildren(...found.map((item) => new Option(item.title, item.item_id)));
  });
  field.addEventListener("input", ask);
}

document.querySelectorAll("form[data-live]").forEach(answerInPlace);
document.querySelectorAll("input[data-suggest]").forEach(complete);

// "/" focuses the search field, unless the visitor is typing.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  const field = document.getElementById("q");
  if (field) field.focus();
  else location.assign("./");
});
