"use strict";
(() => {
  const run = document.getElementById("run");
  const scroll = document.getElementById("scroll");
  const panel = document.getElementById("panel");
  const hint = panel.innerHTML;
  const began = document.getElementById("began");
  began.textContent = new Date(Number(began.dataset.ms)).toISOString().replace("T", " ").replace("Z", " UTC");

  // What belongs to a step, by its number.
  const lines = new Map();
  for (const line of run.querySelectorAll(".messages line")) {
    for (const end of new Set([line.dataset.f, line.dataset.t])) {
      lines.set(end, [...(lines.get(end) || []), line]);
    }
  }
  const marks = [...run.querySelectorAll(".marks a")];
  const lanes = new Map();
  for (const mark of marks) {
    const lane = mark.parentNode;
    lanes.set(lane, [...(lanes.get(lane) || []), mark]);
  }

  let shown = null;
  let kept = null;
  const show = (mark) => {
    if (shown === mark) return;
    if (shown) {
      shown.classList.remove("now");
      for (const line of lines.get(shown.id.slice(1)) || []) line.classList.remove("on");
    }
    shown = mark;
    if (!mark) {
      panel.innerHTML = hint;
      return;
    }
    mark.classList.add("now");
    for (const line of lines.get(mark.id.slice(1)) || []) line.classList.add("on");
    const who = document.createElement("span");
    who.className = "who";
    who.textContent = mark.parentNode.getAttribute("aria-label");
    const said = document.getElementById("s" + mark.id.slice(1));
    panel.replaceChildren(who, ...[...said.childNodes].map((node) => node.cloneNode(true)));
    panel.scrollTop = 0;
  };
  const keep = (mark) => {
    kept = mark;
    show(mark);
    history.replaceState(null, "", mark ? "#" + mark.id : "#");
  };
  const reveal = (mark) => {
    const x = Number(mark.dataset.x) * zoom;
    if (x < scroll.scrollLeft + 40 || x > scroll.scrollLeft + scroll.clientWidth - 40) {
      scroll.scrollLeft = x - scroll.clientWidth / 2;
    }
  };
  const go = (mark) => {
    if (!mark) return;
    reveal(mark);
    mark.focus({ preventScroll: true });
    mark.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  for (const mark of marks) {
    mark.addEventListener("mouseenter", () => show(mark));
    mark.addEventListener("mouseleave", () => show(kept));
    mark.addEventListener("focus", () => show(mark));
    mark.addEventListener("blur", () => show(kept));
    mark.addEventListener("click", (event) => {
      event.preventDefault();
      keep(kept === mark ? null : mark);
    });
  }
  run.addEventListener("keydown", (event) => {
    const mark = event.target.closest(".marks a");
    if (!mark) return;
    const lane = lanes.get(mark.parentNode);
    const at = lane.indexOf(mark);
    const beside = (by) => {
      const all = [...lanes.values()];
      const other = all[all.indexOf(lane) + by];
      const far = (one) => Math.abs(one.dataset.x - mark.dataset.x);
      return other && other.reduce((best, one) => (far(one) < far(best) ? one : best));
    };
    const next = {
      ArrowRight: () => lane[at + 1],
      ArrowLeft: () => lane[at - 1],
      Home: () => lane[0],
      End: () => lane[lane.length - 1],
      ArrowDown: () => beside(1),
      ArrowUp: () => beside(-1),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    go(next());
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") keep(null);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+") stretch(zoom * 1.5);
    if (event.key === "-") stretch(zoom / 1.5);
    if (event.key === "0") stretch(1);
  });

  // The scale. Signs keep their size; only their places move.
  let zoom = 1;
  const usual = Number(run.dataset.w);
  const room = (label) => 10 + 6.5 * label.length;
  const stretch = (to, at = scroll.clientWidth / 2) => {
    const before = zoom;
    zoom = Math.min(12, Math.max(0.02, to));
    run.setAttribute("width", usual * zoom);
    for (const one of run.querySelectorAll("g[data-x], a[data-x]")) {
      const y = one.dataset.y || (one.getAttribute("transform").match(/ ([\d.]+)\)/) || [0, 0])[1];
      one.setAttribute("transform", `translate(${one.dataset.x * zoom} ${y})`);
    }
    for (const line of run.querySelectorAll("line")) {
      line.setAttribute("x1", line.dataset.x * zoom);
      line.setAttribute("x2", line.dataset.x2 * zoom);
    }
    for (const band of run.querySelectorAll("rect[data-w]")) {
      const width = band.dataset.w * zoom;
      const label = band.nextElementSibling;
      const { long, short } = label.dataset;
      band.setAttribute("width", width);
      label.textContent = width >= room(long) ? long : width >= room(short) ? short : "";
    }
    let free = -Infinity;
    for (const tick of run.querySelectorAll(".tick")) {
      const x = tick.dataset.x * zoom;
      tick.classList.toggle("off", x < free);
      if (x >= free) free = x + 84;
    }
    free = -Infinity;
    for (const cut of run.querySelectorAll(".cut text")) {
      const x = cut.parentNode.dataset.x * zoom;
      cut.style.display = x < free ? "none" : "";
      if (x >= free) free = x + 60;
    }
    scroll.scrollLeft = ((scroll.scrollLeft + at) / before) * zoom - at;
    follow();
  };
  // Labels of bands stay in sight.
  const bands = [...run.querySelectorAll(".bands > g")];
  const follow = () => {
    for (const band of bands) {
      const [rect, label] = band.children;
      const hidden = scroll.scrollLeft - band.dataset.x * zoom;
      const most = rect.dataset.w * zoom - room(label.textContent);
      label.setAttribute("x", 5 + Math.max(0, Math.min(hidden, most)));
    }
  };
  let waiting = false;
  scroll.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      follow();
    });
  });
  const button = (id, act) => document.getElementById("zoom-" + id).addEventListener("click", act);
  button("in", () => stretch(zoom * 1.5));
  button("out", () => stretch(zoom / 1.5));
  button("usual", () => stretch(1));
  button("whole", () => stretch((scroll.clientWidth - 2) / usual));
  scroll.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    stretch(zoom * Math.exp(-event.deltaY / 300), event.clientX - scroll.getBoundingClientRect().left);
  }, { passive: false });

  // Which objects are drawn.
  for (const box of document.querySelectorAll(".legend input")) {
    const apply = () => {
      for (const line of run.querySelectorAll("." + box.dataset.class)) line.style.display = box.checked ? "" : "none";
    };
    box.addEventListener("change", apply);
    apply();
  }

  // A step in the address: OUT.html#m0-12.
  const linked = () => {
    const mark = document.getElementById(location.hash.slice(1).replace(/^s/, "m"));
    if (mark && marks.includes(mark)) {
      keep(mark);
      reveal(mark);
      mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  };
  window.addEventListener("hashchange", linked);
  linked();
})();
