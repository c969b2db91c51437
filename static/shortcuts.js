// Keys that lead somewhere: "/" to the search that shows it, "g" and a letter to a page, "?" to the list of them.
"use strict";
(() => {
  const PAUSE = 1500; // milliseconds between g and its letter, at most
  const KEPT = "shortcuts"; // "off" where the person turned the keys off: who speaks to a computer presses many by mistake
  const help = document.getElementById("shortcuts"), opener = document.getElementById("shortcuts-open"), used = document.getElementById("shortcuts-used");
  if (!help) return;
  const off = () => localStorage.getItem(KEPT) === "off";
  const TYPED = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button], [type=submit])";
  let leaderAt = -Infinity;

  const open = () => { used.checked = !off(); help.showModal(); };
  const find = () => { const field = document.getElementById("find"); field?.focus(); field?.select(); };
  const go = (letter) => document.querySelector(`[data-go="${CSS.escape(letter)}"]`);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (off() || help.open || document.querySelector("dialog[open]") || event.target.closest?.(TYPED)) return;
    const led = performance.now() - leaderAt < PAUSE, place = led && go(event.key);
    leaderAt = event.key === "g" ? performance.now() : -Infinity;
    if (place) place.click();
    else if (event.key === "/") find();
    else if (event.key === "?") open();
    else return;
    event.preventDefault();
  });
  opener.hidden = false;
  opener.addEventListener("click", open);
  used.addEventListener("change", () => (used.checked ? localStorage.removeItem(KEPT) : localStorage.setItem(KEPT, "off")));
  document.getElementById("shortcuts-close").addEventListener("click", () => help.close());
  // A click beside the box closes it: it lands on the dialog itself.
  help.addEventListener("click", (event) => { if (event.target === help) help.close(); });
})();
