// What pages do in the browser beyond plain HTML; no page needs it to work. No eval and no inline handlers.
// The server renders all words and numbers. This script advances relative times, refreshes the live region, and serves
// menus, copying and ticked rows.
"use strict";
(() => {
  const root = document.documentElement;
  const region = document.getElementById("live");
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

  // ---- times -------------------------------------------------------------------------------------------------------
  // The server's clock, not this computer's: each answer has it in a header, and performance.now() advances it in between.
  let serverNow = Number(root.dataset.now), readAt = performance.now();
  const now = () => serverNow + (performance.now() - readAt);
  const setNow = (milliseconds) => { if (milliseconds > 0) { serverNow = milliseconds; readAt = performance.now(); } };

  // A duration in words, as the server's `duration` writes it: at most two units, joined by no-break spaces.
  const duration = (ms, precise) => {
    const nb = "\u00a0", total = Math.max(0, Math.floor(ms / 1000));
    const seconds = total % 60, minutes = Math.floor(total / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
    const two = (a, unit, b, less) => `${a}${nb}${unit}` + (b ? `${nb}${b}${nb}${less}` : "");
    if (minutes < 1) return `${seconds}${nb}s`;
    if (hours < 1) return two(minutes, "min", precise ? seconds : 0, "s");
    if (days < 1) return two(hours, "h", minutes % 60, "min");
    if (days < 60) return two(days, "d", days < 14 ? hours % 24 : 0, "h");
    return `${Math.floor(days / 30)}${nb}months`;
  };
  const PHRASES = {
    ago: (ms) => `${duration(-ms)} ago`,
    for: (ms) => duration(-ms),
    in: (ms) => (ms > 0 ? `in ${duration(ms, true)}` : "now"),
  };
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: root.dataset.tz, hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const whole = new Intl.DateTimeFormat("en-GB", { timeZone: root.dataset.tz, dateStyle: "medium", timeStyle: "long" });
  const write = (node, text) => {
    if (node.firstChild?.nodeType === Node.TEXT_NODE) { if (node.firstChild.nodeValue !== text) node.firstChild.nodeValue = text; }
    else node.textContent = text;
  };
  const tick = () => {
    for (const node of $$("time[data-tick]")) {
      write(node, PHRASES[node.dataset.tick](Date.parse(node.dateTime) - now()));
    }
    drawWindows();
  };

  const drawWindows = () => {
    for (const picture of $$("svg[data-window]")) {
      const { from, to, expected } = picture.dataset;
      const share = (moment) => `${(100 * Math.min(1, Math.max(0, (moment - from) / (to - from)))).toFixed(2)}%`;
      const here = share(now());
      $(".w-late", picture).setAttribute("width", here);
      $(".w-ok", picture).setAttribute("width", share(Math.min(now(), expected)));
      for (const end of ["x1", "x2"]) $(".w-now", picture).setAttribute(end, here);
      const word = $(".w-strong", picture);
      word.setAttribute("x", here);
      word.setAttribute("text-anchor", parseFloat(here) < 4 ? "start" : parseFloat(here) > 96 ? "end" : "middle");
    }
  };

  // The browser's time zone, for the pages that follow.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `tz=${zone}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;

  // ---- announcements for screen readers ------------------------------------------------------------------------------
  const say = (text) => { const place = $("#announce"); if (place) place.textContent = text; };

  // ---- unread messages ---------------------------------------------------------------------------------------------
  // Asked for by htmx once a page is there, and here when something on it changed, and now and then; opening the list marks it as read.
  const unread = (() => {
    const place = $("#unread"), EVERY = 60000, APART = 2000, SOON = 1000;
    let timer = 0, askedAt = -APART, known = Infinity, soon = false;
    const ask = () => {
      clearTimeout(timer);
      soon = false;
      timer = setTimeout(ask, EVERY);
      if (!place || document.hidden) return;
      askedAt = performance.now();
      htmx.trigger(place, "news");
    };
    // Once for a change and the refresh that follows, and behind that refresh.
    const askSoon = () => {
      if (soon) return;
      soon = true;
      clearTimeout(timer);
      timer = setTimeout(ask, Math.max(SOON, askedAt + APART - performance.now()));
    };
    place?.addEventListener("htmx:after:swap", () => {
      const { unread: number, say: words } = $("details", place)?.dataset ?? {};
      if (Number(number) > known) say(words);
      known = Number(number ?? Infinity);
    });
    place?.addEventListener("toggle", ({ target }) => {
      if (!target.open || !$(".unread-n", target)) return;
      htmx.trigger($("form", target), "opened");
      $(".unread-n", target).remove();
      known = 0;
    }, true);
    timer = setTimeout(ask, EVERY);
    return { askSoon };
  })();

  // ---- live refresh ------------------------------------------------------------------------------------------------
  const live = region && (() => {
    const mark = $("#live-mark"), text = $("#live-text"), pause = $("#live-pause"), banner = $("#stale"), tryNow = $("#stale-try");
    // Milliseconds between two refreshes: without the event stream, with it, and while the page is hidden. With it a page asks
    // half as often after each answer that nothing changed: the stream tells of changes, but not of each contact.
    const every = Number(region.dataset.every), everyStreaming = Number(region.dataset.everyStreaming), everyHidden = Number(region.dataset.everyHidden);
    const MISSED_IS_STALE = 3, LONGEST_RETRY = 15000, SILENCE = 10000, RAREST = 40000, ASLEEP = 2 * everyHidden + 30000, GAP = 5000, APART = 300;
    let missed = 0, unchanged = 0, paused = false, updated = now(), timer = 0, nextAt = 0, saidAt = -SILENCE, sayTimer = 0;
    // When the page was last up to date, by this computer's clock, which advances while the computer sleeps.
    let updatedHere = Date.now(), slept = false, askedAt = -APART, asking = false, again = false;

    const state = () => (paused ? "paused" : slept || missed >= MISSED_IS_STALE ? "stale" : missed ? "retry" : "live");
    const wait = () => {
      if (missed) return Math.min(LONGEST_RETRY, every * 2 ** (missed - 1));
      return document.hidden ? everyHidden : stream.isAlive() ? Math.min(RAREST, everyStreaming * 2 ** unchanged) : every;
    };
    const asOf = () => clock.format(updated);
    const draw = () => {
      const current = state();
      mark.dataset.live = current;
      const words = {
        live: ["Live", `updated ${duration(now() - updated)} ago`],
        paused: ["Paused", `as of ${asOf()}`],
        retry: ["Reconnecting", `as of ${asOf()}`],
        stale: ["Not live", `as of ${asOf()}`],
      }[current];
      write($("b", text), words[0]);
      write($("span", text), ` · ${words[1]}`);
      if (!banner.hidden) {
        write($("#stale-when"), `${asOf()}, ${duration(now() - updated)} ago`);
        write($("#stale-next"), `Next try in ${duration(Math.max(0, nextAt - performance.now()))}.`);
      }
    };
    const ask = () => {
      clearTimeout(timer);
      if (asking) { again = true; return; }
      asking = true; askedAt = performance.now();
      htmx.trigger(region, "refresh");
    };
    // Refresh at once after an event of the stream, but at most every APART milliseconds.
    const askSoon = () => {
      if (paused || document.hidden || missed) return;
      if (asking) { again = true; return; }
      clearTimeout(timer);
      timer = setTimeout(ask, Math.max(0, askedAt + APART - performance.now()));
    };
    const schedule = () => {
      clearTimeout(timer);
      if (paused) return;
      nextAt = performance.now() + wait();
      timer = setTimeout(ask, wait());
    };
    const succeed = () => {
      if (slept || missed >= MISSED_IS_STALE) say("This page is live again.");
      missed = 0; slept = false; updated = now(); updatedHere = Date.now(); banner.hidden = true;
    };
    const standStill = () => { banner.hidden = false; say(`This page is not live. Last update ${asOf()}.`); };
    const fail = () => {
      missed += 1;
      if (missed === MISSED_IS_STALE) standStill();
    };
    const answered = (response) => Boolean(response) && response.status < 400 && !response.raw.redirected;
    const sentences = () => new Map($$("[data-say]", region).map((node) => [node.id, node.dataset.say]));
    let said = sentences();
    // Announce what changed since the last announcement, at most every SILENCE milliseconds.
    const summarise = () => {
      clearTimeout(sayTimer);
      const wait = saidAt + SILENCE - performance.now();
      if (wait > 0) { sayTimer = setTimeout(summarise, wait); return; }
      const current = sentences(), changed = [...current].filter(([id, words]) => said.has(id) && said.get(id) !== words).map(([, words]) => words);
      said = current;
      if (!changed.length) return;
      saidAt = performance.now();
      say(changed.length > 3 ? `${changed.length} ${region.dataset.sayMany}` : changed.join(". "));
    };

    // Forms inside the region send requests of their own: only those of the region itself count here.
    const own = (handle) => (event) => { if (event.target === region) handle(event); };
    region.addEventListener("htmx:after:request", own(({ detail: { ctx } }) => {
      setNow(Number(ctx.response.headers.get("Lookout-Now")));
      if (answered(ctx.response)) succeed(); else fail();
      unchanged = ctx.response.status === 304 ? unchanged + 1 : 0;
    }));
    region.addEventListener("htmx:error", own(fail));
    region.addEventListener("htmx:after:swap", own(() => { summarise(); ticked(); tick(); showTrouble(); unread.askSoon(); }));
    region.addEventListener("htmx:finally:request", own(() => {
      const missedSome = again;
      asking = again = false;
      schedule();
      if (missedSome) askSoon();
      draw();
    }));
    // After sleep, after another tab was in front or after the network was lost, the page may be old: it says so until refreshed.
    const wake = () => {
      if (paused || document.hidden) return;
      if (Date.now() - updatedHere > ASLEEP && !slept) { slept = true; standStill(); }
      ask(); draw();
    };
    document.addEventListener("visibilitychange", () => { stream.open(); if (document.hidden && !paused) schedule(); else wake(); });
    window.addEventListener("online", wake);
    window.addEventListener("pageshow", (event) => { if (event.persisted) { stream.open(); wake(); } });
    window.addEventListener("pagehide", () => stream.close());
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-label", `${paused ? "Resume" : "Pause"} live updates`);
      stream.open();
      if (paused) { clearTimeout(timer); banner.hidden = true; } else ask();
      draw();
    });
    tryNow.addEventListener("click", ask);
    window.addEventListener("beforeprint", () => write($("#paper-at"), whole.format(updated)));

    // The event stream tells when something changed. Only a visible page that is not paused has one open, as a browser opens
    // few connections to a site. While no event arrives, the page refreshes as often as without a stream.
    const stream = (() => {
      const SILENT = 40000, RETRY = 60000; // milliseconds
      let source = null, lastEventAt = -Infinity, retry = 0;
      const isAlive = () => performance.now() - lastEventAt < SILENT;
      const lose = () => { if (isAlive()) { lastEventAt = -Infinity; schedule(); } };
      const close = () => { clearTimeout(retry); source?.close(); source = null; lastEventAt = -Infinity; };
      const open = () => {
        if (paused || document.hidden) { close(); return; }
        if (source || !window.EventSource) return;
        source = new EventSource(region.dataset.stream);
        source.addEventListener("listening", () => { lastEventAt = performance.now(); });
        source.addEventListener("changed", () => { unchanged = 0; askSoon(); unread.askSoon(); });
        source.addEventListener("deaf", lose);
        source.addEventListener("error", () => {
          lose();
          if (source?.readyState === EventSource.CLOSED) { close(); retry = setTimeout(open, RETRY); }
        });
      };
      return { open, close, isAlive };
    })();

    mark.hidden = false;
    stream.open();
    schedule();
    // Timers stop while the computer sleeps; the first beat after it wakes notices the gap.
    let beatAt = Date.now();
    const beat = () => { if (Date.now() - beatAt > GAP) wake(); beatAt = Date.now(); };
    return { draw, beat };
  })();

  // On pages whose live region has the number of causes that need attention, the tab's title shows it, and the tab's icon
  // whether there are any.
  const showTrouble = () => {
    const icon = $("#icon"), now = icon.dataset[$("#trouble")?.dataset.trouble];
    if (now && icon.getAttribute("href") !== now) icon.setAttribute("href", now);
    const causes = $("#trouble")?.dataset.causes;
    if (causes === undefined) return;
    const title = document.title.replace(/^\(\d+\) /, "");
    document.title = causes === "0" ? title : `(${causes}) ${title}`;
  };

  // ---- ticked rows -------------------------------------------------------------------------------------------------
  const boxes = () => $$('input[name="sel"]');
  const ticked = () => {
    const all = $("#select-all"), count = $("#selected-count");
    if (!all) return;
    const chosen = boxes().filter((box) => box.checked);
    // A line of several devices has one box.
    const on = chosen.reduce((sum, box) => sum + Number(box.dataset.devices ?? 1), 0);
    all.checked = on > 0 && chosen.length === boxes().length;
    all.indeterminate = on > 0 && !all.checked;
    const matching = $("#select-matching"), total = $("#total");
    if (total && $("#matching-count")) $("#matching-count").textContent = total.textContent;
    if (count) count.textContent = matching?.checked && total ? total.textContent : on;
  };
  // The actions are at the end of the page: Enter on a ticked row moves the focus there, Shift+Tab or Escape moves it back.
  const sayTicked = () => { const count = $("#selected-count"); if (count) say(`${count.textContent} selected. Enter leads to the actions.`); };
  let cameFrom = null;
  const toActions = (event) => {
    const first = $("#bulk button");
    if (!event.target.matches('input[name="sel"]') || !first) return false;
    event.preventDefault();
    if (event.target.checked) { cameFrom = event.target; first.focus(); }
    return true;
  };
  const copy = async (text, done) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No clipboard for scripts outside https and localhost: select the text in a field and let the browser copy it.
      const field = document.createElement("textarea");
      field.value = text; field.className = "visually-hidden";
      document.body.append(field); field.select();
      document.execCommand("copy"); field.remove();
    }
    say(done);
  };

  // ---- menus, tooltips, keys ---------------------------------------------------------------------------------------
  const closeMenus = (except) => {
    for (const menu of $$("details.menu[open]")) if (!menu.contains(except)) menu.open = false;
  };
  document.addEventListener("click", (event) => {
    closeMenus(event.target);
    const copier = event.target.closest("[data-copy], [data-copy-ticked]");
    if (copier) {
      const uuids = boxes().filter((box) => box.checked).flatMap((box) => box.value.split(","));
      copy(copier.dataset.copy ?? uuids.join("\n"), copier.dataset.copyDone);
      copier.dataset.copied = "";
      setTimeout(() => delete copier.dataset.copied, 1500);
    }
    if (event.target.closest("[data-untick]")) { for (const box of [...boxes(), ...$$("#select-matching")]) box.checked = false; ticked(); }
    if (event.target.closest("[data-dismiss]")) event.target.closest(".flash, .banner").remove();
  });
  document.addEventListener("change", ({ target }) => {
    if (target.id === "select-all") for (const box of boxes()) box.checked = target.checked;
    // Unticking a row also unticks "all that match", as that includes the row.
    if (target.name === "sel" && !target.checked) for (const box of $$("#select-matching")) box.checked = false;
    if (target.id === "select-all" || target.id === "select-matching" || target.name === "sel") { ticked(); sayTicked(); }
    else if (target.form?.matches("[data-auto]") && (target.type === "checkbox" || target.type === "radio")) target.form.requestSubmit();
  });
  let dismissed = null;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && toActions(event)) return;
    if (event.key === "Escape") {
      if (event.target.closest("#bulk") && cameFrom?.isConnected) cameFrom.focus();
      const open = document.activeElement?.closest("details.menu[open]");
      if (open) $("summary", open).focus();
      closeMenus(null);
      dismissed = $(".conn:hover"); root.dataset.tips = "off";
    }
  });
  document.addEventListener("mouseover", ({ target }) => { if (target.closest(".conn") !== dismissed) { dismissed = null; delete root.dataset.tips; } });
  document.addEventListener("focusin", () => { delete root.dataset.tips; });

  // ---- a second click on the button of a form within 3 s does not send it again --------------------------------------
  const sent = new WeakMap();
  document.addEventListener("submit", (event) => {
    const { target, timeStamp, submitter } = event, what = submitter ?? target;
    if (target.method !== "post" || event.defaultPrevented) return;
    if (timeStamp - (sent.get(what) ?? -Infinity) < 3000) event.preventDefault();
    else sent.set(what, timeStamp);
  });

  ticked();
  const second = () => { tick(); if (live) { live.beat(); live.draw(); } };
  second();
  setInterval(second, 1000);
})();
