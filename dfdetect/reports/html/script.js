"use strict";
(() => {
  const main = document.querySelector("main");
  const list = document.getElementById("files");
  const files = [...list.children];
  const find = (id) => document.getElementById(id);

  /* What is known last is written last; it belongs first. */
  main.prepend(...["totals", "tools"].map(find).filter(Boolean));

  /* One moment of one file: its frame, its face and heat map, its place on the time line. */
  class Viewer {
    constructor(file) {
      this.file = file;
      this.rows = [...file.querySelectorAll(".scores tbody tr")];
      this.dots = new Map([...file.querySelectorAll(".dot")].map((dot) => [Number(dot.dataset.k), dot]));
      this.thumbs = new Map([...file.querySelectorAll(".strip button")].map((b) => [Number(b.dataset.k), b]));
      this.time = file.querySelector(".time");
      const pressed = [...this.thumbs].find(([, b]) => b.getAttribute("aria-pressed") === "true");
      for (const [k, button] of this.thumbs) {
        for (const kind of ["pointerenter", "focus", "click"]) button.addEventListener(kind, () => this.show(k));
      }
      if (this.time) this.listen();
      if (this.rows.length) this.show(pressed ? pressed[0] : 0);
    }

    listen() {
      const { time } = this;
      for (const [name, value] of Object.entries({
        role: "slider", tabindex: 0, "aria-label": time.dataset.label, "aria-valuemin": 1, "aria-valuemax": this.rows.length,
      })) time.setAttribute(name, value);
      const chart = time.querySelector(".chart");
      const point = (event) => {
        const box = chart.getBoundingClientRect();
        let best = null, least = Infinity;
        for (const [k, dot] of this.dots) {
          const x = (parseFloat(dot.getAttribute("cx")) / 100) * box.width - (event.clientX - box.left);
          const y = (parseFloat(dot.getAttribute("cy")) / 100) * box.height - (event.clientY - box.top);
          const far = x * x + 0.15 * y * y; /* the moment counts for more than the height */
          if (far < least) [best, least] = [k, far];
        }
        if (best !== null) this.show(best);
      };
      chart.addEventListener("pointermove", point);
      chart.addEventListener("pointerdown", point);
      time.addEventListener("keydown", (event) => {
        const last = this.rows.length - 1;
        const to = {
          ArrowRight: this.k + 1, ArrowUp: this.k + 1, ArrowLeft: this.k - 1, ArrowDown: this.k - 1,
          PageUp: this.k + 10, PageDown: this.k - 10, Home: 0, End: last,
        }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        this.show(Math.max(0, Math.min(last, to)));
      });
    }

    show(k) {
      if (k === this.k) return;
      this.k = k;
      const { file } = this, row = this.rows[k], thumb = this.thumbs.get(k), say = row.dataset.say;
      let framed = false;
      for (const frame of file.querySelectorAll(".frame")) {
        frame.hidden = frame.dataset.frame !== row.dataset.frame;
        framed ||= !frame.hidden;
        if (!frame.hidden) for (const box of frame.querySelectorAll(".box")) box.classList.toggle("on", Number(box.dataset.k) === k);
      }
      const empty = file.querySelector(".no-frame");
      if (empty) empty.hidden = framed;
      for (const button of this.thumbs.values()) button.setAttribute("aria-pressed", String(button === thumb));
      for (const dot of this.dots.values()) dot.classList.toggle("on", Number(dot.dataset.k) === k);
      const pair = file.querySelector(".pair");
      if (pair) {
        pair.hidden = !thumb;
        file.querySelector(".no-face").hidden = Boolean(thumb);
        file.querySelector(".moment").textContent = say;
        for (const kind of ["crop", "heat"]) {
          const source = thumb && thumb.querySelector("." + kind);
          if (source) for (const image of pair.querySelectorAll("." + kind)) image.src = source.src;
        }
      }
      if (!this.time) return;
      this.time.setAttribute("aria-valuenow", k + 1);
      this.time.setAttribute("aria-valuetext", say);
      const dot = this.dots.get(k), cursor = file.querySelector(".cursor");
      if (dot) for (const end of ["x1", "x2"]) cursor.setAttribute(end, dot.getAttribute("cx"));
    }
  }
  /* Of a long list only what is open stays in the page: a thousand files sort and filter at once. */
  const parked = new Map(), made = new WeakSet();
  const prepare = (file) => {
    const detail = parked.get(file);
    if (detail) file.querySelector(".row").append(detail);
    parked.delete(file);
    if (made.has(file)) return;
    made.add(file);
    /* Paper takes no picture that waits to be scrolled to. */
    for (const image of file.querySelectorAll(".detail img[loading]")) image.loading = "eager";
    new Viewer(file);
  };
  const park = (file) => {
    const detail = file.querySelector(".detail");
    parked.set(file, detail);
    detail.remove();
  };
  const open = (file) => {
    prepare(file);
    file.querySelector(".row").open = true;
  };
  for (const file of files) {
    const row = file.querySelector(".row");
    row.querySelector("summary").addEventListener("click", () => prepare(file));
    row.addEventListener("toggle", () => row.open && prepare(file));
  }

  /* A link into a file opens it. */
  const follow = () => {
    const file = location.hash && find(location.hash.slice(1));
    if (file && file.matches(".file")) open(file);
  };
  addEventListener("hashchange", follow);

  /* Paper cannot be unfolded: tables in open files are printed with them. */
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll(".row[open] .more:not([open])")];
    for (const part of unfolded) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of unfolded) part.open = false;
  });

  if (files.length === 1) {
    prepare(files[0]);
    const summary = files[0].querySelector("summary"); /* a heading here, nothing to fold */
    summary.tabIndex = -1;
    summary.addEventListener("click", (event) => event.preventDefault());
    document.title = files[0].dataset.name + " – dfdetect report";
    return;
  }
  if (!files.length) return;

  /* The overview. */
  const tools = find("tools"), field = find("find"), status = find("shown"), nothing = find("nothing");
  const picks = [...tools.querySelectorAll(".pick input")], heads = [...tools.querySelectorAll("[data-sort]")];
  /* Some systems write é in a name as two characters, people type one. */
  const plain = (text) => text.normalize("NFKC").toLowerCase();
  const words = new Map(files.map((file) => [
    file, plain(file.dataset.name + " " + file.querySelector(".message").textContent),
  ]));
  const number = new Intl.NumberFormat("en");
  /* Among equals the more suspicious first. */
  const ranks = new Map([...files]
    .sort((a, b) => b.dataset.probability - a.dataset.probability || a.dataset.n - b.dataset.n)
    .map((file, rank) => [file, rank]));
  const collator = new Intl.Collator("en", { numeric: true });
  tools.hidden = false;
  files[0].querySelector(".row").open = false;
  files.forEach(park);

  let sorted = "";
  const tell = () => {
    const shown = files.filter((file) => !file.hidden).length;
    nothing.hidden = shown > 0;
    status.textContent = `${number.format(shown)} of ${number.format(files.length)} files shown${sorted}`;
  };
  const filter = () => {
    const wanted = new Set(picks.filter((pick) => pick.checked).map((pick) => pick.value));
    const parts = plain(field.value).split(/\s+/).filter(Boolean);
    for (const file of files) {
      file.hidden = !(wanted.has(file.dataset.answer) && parts.every((part) => words.get(file).includes(part)));
    }
    tell();
  };
  const sort = (head, down) => {
    const key = head.dataset.sort, sign = down ? -1 : 1;
    const value = key === "name" ? (file) => file.dataset.name : (file) => Number(file.dataset[key]);
    const compare = key === "name" ? collator.compare : (a, b) => a - b;
    const keys = new Map(files.map((file) => [file, value(file)]));
    files.sort((a, b) => sign * compare(keys.get(a), keys.get(b)) || ranks.get(a) - ranks.get(b));
    if (files.some((file, place) => file !== list.children[place])) {
      list.replaceChildren(); /* all at once: taken out one by one, which append does, 2,000 files take seconds */
      list.append(...files);
    }
    for (const other of heads) {
      other.setAttribute("aria-pressed", String(other === head));
      other.classList.toggle("down", other === head && down);
    }
  };
  for (const head of heads) {
    head.setAttribute("aria-pressed", "false");
    head.addEventListener("click", () => {
      const again = head.getAttribute("aria-pressed") === "true";
      const down = again ? !head.classList.contains("down") : "down" in head.dataset;
      sort(head, down);
      sorted = `, sorted by ${head.textContent.toLowerCase()}, ${down ? "falling" : "rising"}`;
      tell();
    });
  }
  field.addEventListener("input", filter);
  for (const pick of picks) pick.addEventListener("change", filter);
  find("open").addEventListener("click", () => files.filter((file) => !file.hidden).forEach(open));
  find("shut").addEventListener("click", () => {
    for (const row of list.querySelectorAll(".row[open]")) row.open = false;
  });
  sort(heads.find((head) => head.dataset.sort === "order"), false);
  filter();
  follow();
})();
