// Forms: nothing that was typed or ticked is lost, and what is sent is sent in the session that the page was opened in.
// Without this file they are sent as they are, and the server keeps what was entered (dashboard/http/kept_forms.py).
"use strict";
(() => {
  const { person, session } = document.documentElement.dataset;
  const PATIENCE = 10000;
  const banner = document.getElementById("session");

  // ---- what would be lost --------------------------------------------------------------------------------------------
  const chosen = (select) => Math.max(0, [...select.options].findIndex((option) => option.defaultSelected));
  const isChanged = (field) => {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") return field.selectedIndex !== chosen(field);
    return field.type !== "hidden" && field.value !== field.defaultValue;
  };
  const atStake = () => Boolean(document.querySelector(".fact-edited")) || [...document.querySelectorAll("input, select, textarea")].some(isChanged);

  // ---- whose session it is -------------------------------------------------------------------------------------------
  // Signed out ("out"), signed in as somebody else ("other"), or nobody says ("away"); "" hides it.
  const tell = (state, name = "") => {
    document.getElementById("session-name").textContent = name;
    for (const words of banner.querySelectorAll("[data-when]")) words.hidden = words.dataset.when !== state;
    banner.hidden = !state;
  };
  const ask = async () => {
    try {
      const answer = await fetch(session, { redirect: "error", signal: AbortSignal.timeout(PATIENCE) });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  };
  // Signing in changes the token that forms are sent with: all of them get the one that is good now.
  const renew = (token) => { for (const field of document.getElementsByName("csrfmiddlewaretoken")) field.value = token; };
  const look = async (sending) => {
    const now = await ask();
    const state = !now ? "away" : now.person === person ? "" : now.person ? "other" : "out";
    if (!state) renew(now.token);
    if (now || sending) tell(state, now?.name);
    return state;
  };

  // ---- sending -------------------------------------------------------------------------------------------------------
  const notSaved = (form) => { const words = form?.querySelector("[data-failed]"); if (words) words.hidden = false; };
  let looking = false, looked = null;
  const send = (form, submitter) => {
    looked = form;
    form.requestSubmit(submitter?.isConnected ? submitter : undefined);
    looked = null;
  };
  // Before anybody else hears of it, htmx too.
  document.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    if (form === looked || form.getAttribute("method")?.toLowerCase() !== "post" || form.matches("[data-passkey]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (looking) return;
    looking = true;
    const state = await look(true);
    looking = false;
    if (!state) send(form, submitter);
    else if (state === "away") notSaved(form);
  }, true);

  document.addEventListener("htmx:error", ({ target }) => notSaved(target.closest?.("form")));
  document.addEventListener("htmx:after:request", (event) => {
    const { status, raw } = event.detail.ctx.response;
    if (status >= 400) notSaved(event.target.closest?.("form"));
    // The page of somebody else, of a proxy that asks to sign in, is not for this page.
    if (raw.redirected) event.preventDefault();
    else if (status === 401 && atStake()) { event.preventDefault(); tell("out"); }
    else if (status < 400 && !banner.hidden && !looking) look();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !looking && (!banner.hidden || atStake())) look(); });

  // ---- filter forms: a short address, and the focus where it was on the page that follows ----------------------------
  document.addEventListener("formdata", ({ formData, target }) => {
    if (target.method === "get") for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
  document.addEventListener("submit", ({ target }) => {
    if (target.matches("[data-auto]") && document.activeElement?.id) sessionStorage.setItem("focus", document.activeElement.id);
  });
  const focus = sessionStorage.getItem("focus");
  sessionStorage.removeItem("focus");
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
})();
