// The ranked explorer: draws any view of a packet (views/02_buffers.ipynb) on a canvas, without asking Python.
// One plain module: anywidget calls `render`; an exported page calls `standalone`. What the canvas must show is written
// down in views/02b_frames.ipynb. Text from outside enters the page as textContent only.

const KINDS = ["weights × activity", "weights", "similarity"];
const HEAT = ["#000004", "#57106E", "#BC3754", "#F98E09", "#FCFFA4"].map(rgb);
const FOR = rgb("#B35806"), AGAINST = rgb("#542788");
const TRAITS = ["photo", "rank", "opacity", "show", "target", "threshold", "position", "step", "smooth", "compact", "_page"];

// ---- small helpers ---------------------------------------------------------------------------------------------

function rgb(hex) { return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)); }

function bytes(x) {                                  // DataView from Jupyter, base64 from a page: an aligned copy
  if (typeof x === "string") return Uint8Array.from(atob(x), (c) => c.charCodeAt(0)).buffer;
  return x.buffer.slice(x.byteOffset, x.byteOffset + x.byteLength);
}

function make(tag, attributes = {}, ...children) {   // an element; children are elements or plain text
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) {
    if (k === "class") el.className = v; else if (v !== false && v != null) el.setAttribute(k, v === true ? "" : v);
  }
  if (["INPUT", "SELECT", "BUTTON"].includes(el.tagName) || "tabindex" in attributes) el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(...children);
  return el;
}

const clip = (x, low, high) => Math.min(Math.max(x, low), high);
const percent = (x) => `${(100 * x).toFixed(Math.abs(x) < 0.0995 ? 1 : 0)}\u00a0%`;
const number = (x) => (x === 0 ? "0" : Math.abs(x) >= 1e6 || Math.abs(x) < 1e-5 ? x.toExponential(1) : String(+x.toPrecision(3)));
const signed = (x) => (x > 0 ? "+" : x < 0 ? "−" : "") + number(Math.abs(x));

// ---- from a packet to cell colours -----------------------------------------------------------------------------

function unpack(packet) {                            // the same cuts as `unpack` in buffers
  const data = bytes(packet.data), [h, w] = packet.grid, n = packet.ranks, p = h * w;
  let at = 0;
  const take = (Type, count) => { const part = new Type(data, at, count); at += part.byteLength; return part; };
  const kinds = KINDS.map(() => take(Uint16Array, n * p)), codes = take(Uint16Array, p);
  const contributions = take(Int16Array, packet.signed * n * p), features = take(Int8Array, p * packet.dims);
  const [low, high] = packet.activity;
  const activity = Float64Array.from(codes, (c) => low + (c / 65535) * (high - low));
  return { packet, h, w, n, p, kinds, activity, contributions, features, step: Float64Array.from(packet.step), scores: null };
}

function scores(u) {                                 // what is left before rank 1, after rank 1, …
  if (u.scores) return u.scores;
  const [low, high] = u.packet.scales.similarity, left = [u.activity];
  for (let i = 0; i < u.n; i++) {
    const before = left[i], after = new Float64Array(u.p);
    for (let k = 0; k < u.p; k++) after[k] = (1 - clip(low + (u.kinds[2][i * u.p + k] / 65535) * (high - low), 0, 1)) * before[k];
    left.push(after);
  }
  return (u.scores = left);
}

function cosines(u, position) {
  const d = u.packet.dims, out = new Float64Array(u.p), query = new Float64Array(d), f = u.features;
  for (let k = 0; k < d; k++) query[k] = f[position * d + k] * u.step[k] * u.step[k];
  for (let i = 0, j = 0; i < u.p; i++) {
    let sum = 0;
    for (let k = 0; k < d; k++, j++) sum += f[j] * query[k];
    out[i] = clip(sum, -1, 1);
  }
  out[position] = 1;
  return out;
}

function ends(values) {                              // smallest and largest
  let low = Infinity, high = -Infinity;
  for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
  return [low, high];
}

function stretch(values, low, high) {
  const flat = high - low <= 1e-6 * Math.max(Math.abs(low), Math.abs(high));
  return values.map((v) => (flat ? 0 : clip((v - low) / (high - low), 0, 1)));
}

function heat(v) {
  const at = Math.min(Math.floor(v * 4), 3), part = v * 4 - at;
  return [0, 1, 2].map((c) => HEAT[at][c] + part * (HEAT[at + 1][c] - HEAT[at][c]));
}

// What is seen: fills `pixels` (RGBA, one a cell); returns how to read it.
function cells(u, s, page, pixels) {
  const { packet, p, n } = u, colours = page.colours.map(rgb), rank = clip(s.rank, 0, n), t = s.threshold;
  const paint = (values, colour) => {                // one quantity: a colour times its value, or the heat scale
    for (let k = 0; k < p; k++) {
      const v = values[k] < t ? 0 : values[k], c = colour ?? heat(v), by = colour ? v : 1;
      pixels[4 * k] = c[0] * by; pixels[4 * k + 1] = c[1] * by; pixels[4 * k + 2] = c[2] * by; pixels[4 * k + 3] = 255;
    }
  };
  const one = (kind, i) => Float64Array.from(u.kinds[kind].subarray(i * p, (i + 1) * p), (c) => c / 65535);
  if (s.position >= 0 && s.position < p && packet.dims) {
    const c = cosines(u, s.position), [low, high] = ends(c);
    paint(stretch(c, low, high));
    return { what: "position", low, high, bar: HEAT };
  }
  if (s.step > 0 && packet.can_step) {
    const at = Math.floor((Math.min(s.step, 3 * n) - 1) / 3), phase = (Math.min(s.step, 3 * n) - 1) % 3;
    if (phase === 1) { paint(one(2, at), colours[at]); return { what: "step", at, phase, low: packet.scales.similarity[0], high: packet.scales.similarity[1], bar: [[0, 0, 0], colours[at]] }; }
    const top = ends(u.activity)[1];
    paint(stretch(scores(u)[at + (phase === 2)], 0, top));
    return { what: "step", at, phase, low: 0, high: top, bar: HEAT };
  }
  if (s.show === "contribution" && packet.signed) {
    const c = chosen(packet, s.target), values = new Float64Array(p);
    for (let i = rank ? rank - 1 : 0; i < (rank || n); i++) for (let k = 0; k < p; k++) values[k] += (u.contributions[(c * n + i) * p + k] / 32767) * packet.limit;
    const limit = rank ? packet.limit : values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    for (let k = 0; k < p; k++) {
      let v = values[k] / (limit || 1);
      if (Math.abs(v) < t) v = 0;
      pixels.set(v >= 0 ? FOR : AGAINST, 4 * k);
      pixels[4 * k + 3] = 255 * Math.sqrt(Math.min(Math.abs(v), 1));
    }
    return { what: "signed", low: -limit, high: limit, bar: [AGAINST, [240, 240, 240], FOR] };
  }
  const kind = Math.max(KINDS.indexOf(s.show), 0), [low, high] = packet.scales[KINDS[kind]];
  if (rank) { paint(one(kind, rank - 1), colours[rank - 1]); return { what: "map", kind, low, high, bar: [[0, 0, 0], colours[rank - 1]] }; }
  const codes = u.kinds[kind], v = new Float64Array(n);
  for (let k = 0; k < p; k++) {
    let top = 0, sum = 0;
    for (let i = 0; i < n; i++) { const x = codes[i * p + k] / 65535; v[i] = x < t ? 0 : x; if (v[i] > top) top = v[i]; sum += v[i] ** 3; }
    let r = 0, g = 0, b = 0;
    for (let i = 0; i < n; i++) {
      const by = page.add ? v[i] : (top * v[i] ** 3) / Math.max(sum, 1e-9), c = colours[i];
      r += by * c[0]; g += by * c[1]; b += by * c[2];
    }
    pixels[4 * k] = r; pixels[4 * k + 1] = g; pixels[4 * k + 2] = b; pixels[4 * k + 3] = 255;
  }
  return { what: "map", kind, low, high, bar: null };
}

function chosen(packet, target) { return Math.max(packet.classes.findIndex((c) => c.index === target), 0); }

// ---- the view --------------------------------------------------------------------------------------------------

function controls() {                                // every element once; the page reads in this order
  const slider = (name, label, max, step) => {
    const input = make("input", { type: "range", min: 0, max, step, name, "aria-label": label }), output = make("span", { class: "brnpa-value", "aria-hidden": "true" });
    return { input, output, row: make("label", { class: "brnpa-row" }, make("span", {}, label), input, output) };
  };
  const choice = (name, label) => { const input = make("select", { name }); return { input, row: make("label", { class: "brnpa-row" }, make("span", {}, label), input) }; };
  const ui = {
    canvas: make("canvas", { "aria-hidden": "true" }), marks: make("div", { class: "brnpa-marks", "aria-hidden": "true" }), note: make("p", { class: "brnpa-note", hidden: true }),
    rank: slider("rank", "rank", 1, 1), opacity: slider("opacity", "opacity", 1, 0.05), threshold: slider("threshold", "threshold", 1, 0.05), step: slider("step", "grouping", 3, 1),
    show: choice("show", "show"), target: choice("target", "class"), smooth: make("input", { type: "checkbox", name: "smooth" }),
    caption: make("p", { class: "brnpa-caption" }), title: make("p", { class: "brnpa-title" }), thumbs: make("div", { class: "brnpa-thumbs", role: "radiogroup", "aria-label": "photograph" }),
    back: make("button", { type: "button" }, "‹ earlier"), next: make("button", { type: "button" }, "later ›"), page: make("span"),
    low: make("span"), bar: make("span", { class: "brnpa-bar" }), high: make("span"), ranks: make("tbody"), logit: make("th", { scope: "col" }), alone: make("th", { scope: "col" }, "ranks 1 … k alone"),
    summary: make("p", { class: "brnpa-summary", "aria-live": "polite", role: "status" }),
  };
  ui.stage = make("div", { class: "brnpa-stage", tabindex: 0, role: "application", "aria-label": "Photograph with attention map. Arrow keys move over the grid, Enter keeps a position, Escape leaves." }, ui.canvas, ui.marks, ui.note);
  ui.pages = make("div", { class: "brnpa-pages" }, ui.back, ui.page, ui.next);
  ui.table = make("div", { class: "brnpa-scroll" }, make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "rank"), make("th", { scope: "col" }, "activity"), ui.logit, ui.alone)), ui.ranks));
  ui.root = make("div", { class: "brnpa", role: "group", "aria-label": "Ranked attention maps" },
    make("div", { class: "brnpa-left" }, ui.caption, ui.stage, make("div", { class: "brnpa-scale" }, ui.title, ui.low, ui.bar, ui.high), ui.thumbs, ui.pages),
    make("div", { class: "brnpa-right" }, ui.rank.row, ui.show.row, ui.target.row, ui.opacity.row, ui.threshold.row, ui.step.row,
      make("label", { class: "brnpa-row" }, make("span", {}, "smooth"), ui.smooth), ui.table, ui.summary));
  for (const k of [...KINDS, "contribution"]) ui.show.input.append(make("option", { value: k }, k));
  return ui;
}

function render({ model, el }) {
  const ui = controls(), ctx = ui.canvas.getContext("2d", { willReadFrequently: true }), grid = document.createElement("canvas"), small = grid.getContext("2d");
  const stop = new AbortController(), listen = (node, name, f) => node.addEventListener(name, f, { signal: stop.signal });
  let page, unpacked, pictures, current = null, ground = null, shown = null, drawnThumbs = "", pinned = -1, mine = false, frame = 0, speak = 0, imageData = null, spoken = "";

  const state = () => Object.fromEntries(TRAITS.map((k) => [k, model.get(k)]));
  const set = (name, value) => { if (model.get(name) === value) return; model.set(name, value); model.save_changes(); };
  const packetAt = (photo) => page.packets[photo - page.first];

  function newPage() {
    page = model.get("_page"); unpacked = new Map(); pictures = new Map(); current = ground = null; drawnThumbs = "";
    ui.stage.dataset.page = page.first;
    open();
  }

  function bitmap(photo) {                           // decoded once
    if (!pictures.has(photo)) pictures.set(photo, createImageBitmap(new Blob([bytes(packetAt(photo).image)])));
    return pictures.get(photo);
  }

  function open() {                                  // numbers at once, the photograph when it is decoded
    const photo = model.get("photo"), packet = packetAt(photo);
    current = null; ground = null;
    if (!packet) { say(`Photograph ${photo + 1} is on another page; Python is sending it.`); refresh(); return; }
    if (!unpacked.has(photo)) unpacked.set(photo, unpack(packet));
    current = unpacked.get(photo);
    pinned = mine ? pinned : model.get("position");
    const at = page;
    bitmap(photo).then((picture) => {
      if (stop.signal.aborted || at !== page || model.get("photo") !== photo) return;
      const k = Math.max(1, Math.round(448 / Math.max(picture.width, picture.height)));
      ui.canvas.width = picture.width * k; ui.canvas.height = picture.height * k;
      grid.width = current.w; grid.height = current.h; imageData = small.createImageData(current.w, current.h);
      ground = greyOf(picture, ui.canvas.width, ui.canvas.height);
      const wide = `${Math.round(Math.min(560, 560 * picture.width / picture.height))}px`;
      ui.stage.style.maxWidth = wide;                // a tall photograph makes a narrow column: the controls come close
      ui.stage.parentElement.style.maxWidth = `max(${wide}, 17rem)`;
      say(""); draw();
    }, () => say("This photograph's file cannot be read."));
    refresh();
  }

  function greyOf(picture, width, height) {          // the photograph, and the same in grey
    const colour = new OffscreenCanvas(width, height), c = colour.getContext("2d", { willReadFrequently: true });
    c.imageSmoothingQuality = "high"; c.drawImage(picture, 0, 0, width, height);
    const grey = new OffscreenCanvas(width, height), data = c.getImageData(0, 0, width, height), d = data.data;
    for (let i = 0; i < d.length; i += 4) d[i] = d[i + 1] = d[i + 2] = (d[i] + d[i + 1] + d[i + 2]) / 3;
    grey.getContext("2d").putImageData(data, 0, 0);
    return { colour, grey };
  }

  function draw() {                                  // now: waiting for the next frame would cost one
    if (!current || !ground) return;
    const s = state(), { width, height } = ui.canvas;
    shown = cells(current, s, page, imageData.data);
    small.putImageData(imageData, 0, 0);
    ctx.globalCompositeOperation = "source-over"; ctx.globalAlpha = 1; ctx.imageSmoothingEnabled = false;
    if (s.opacity === 0) ctx.drawImage(ground.colour, 0, 0);
    else if (shown.what === "signed") {
      ctx.drawImage(ground.grey, 0, 0);
      ctx.globalAlpha = 0.5; ctx.fillStyle = "#fff"; ctx.fillRect(0, 0, width, height);
      ctx.globalAlpha = s.opacity;
    } else {
      ctx.fillStyle = "#000"; ctx.fillRect(0, 0, width, height);
      ctx.globalAlpha = 1 - s.opacity; ctx.drawImage(ground.grey, 0, 0);
      ctx.globalCompositeOperation = "lighter"; ctx.globalAlpha = s.opacity;
    }
    ctx.imageSmoothingEnabled = s.smooth;
    if (s.opacity > 0) ctx.drawImage(grid, 0, 0, width, height);
    ui.stage.dataset.drawn = String(1 + Number(ui.stage.dataset.drawn ?? 0));
    if (!frame) frame = requestAnimationFrame(() => { frame = 0; refresh(); });
  }

  // ---- words, marks and controls: once a frame ----

  function refresh() {
    const s = state(), packet = packetAt(s.photo);
    thumbs(s);
    ui.root.classList.toggle("brnpa-compact", !!s.compact);
    if (!packet) return;
    const n = packet.ranks, rank = clip(s.rank, 0, n), hasClasses = packet.classes.length > 0;
    range(ui.rank, n, rank, rank ? `${rank} of ${n}` : "all");
    range(ui.opacity, 1, s.opacity, percent(s.opacity));
    range(ui.threshold, 1, s.threshold, s.threshold ? percent(s.threshold) : "off");
    range(ui.step, 3 * n, clip(s.step, 0, 3 * n), s.step && packet.can_step ? `${clip(s.step, 0, 3 * n)} of ${3 * n}` : "off");
    ui.step.row.hidden = !packet.can_step;
    ui.show.input.lastChild.disabled = !packet.signed;
    ui.show.input.value = s.show === "contribution" && !packet.signed ? KINDS[0] : s.show;
    ui.smooth.checked = s.smooth;
    ui.target.row.hidden = !hasClasses;
    const options = packet.classes.map((c) => `${c.name} (${percent(c.probability)})`), kept = chosen(packet, s.target);
    if (options.join("\n") !== ui.target.input.dataset.options) {
      ui.target.input.dataset.options = options.join("\n");
      ui.target.input.replaceChildren(...options.map((o, i) => make("option", { value: packet.classes[i].index }, o)));
    }
    if (hasClasses) ui.target.input.value = String(packet.classes[kept].index);
    ui.caption.textContent = packet.caption;
    table(packet, s, kept, rank); marks(packet, s, rank); scale(packet, s, rank);
    const text = summary(packet, s, kept, rank);
    ui.stage.setAttribute("aria-description", text);
    if (text !== spoken) { clearTimeout(speak); speak = setTimeout(() => { ui.summary.textContent = spoken = text; }, 250); }
  }

  function range({ input, output }, max, value, text) {
    input.max = max; if (Number(input.value) !== value) input.value = value;
    output.textContent = text; input.setAttribute("aria-valuetext", text);
  }

  function table(packet, s, kept, rank) {
    const some = packet.classes[kept];
    ui.logit.textContent = some ? `to “${some.name}”` : ""; ui.logit.hidden = ui.alone.hidden = !some;
    const stamp = `${page.first} ${s.photo} ${kept}`;
    if (ui.ranks.dataset.stamp !== stamp) {
      ui.ranks.dataset.stamp = stamp;
      ui.ranks.replaceChildren(...packet.shares.map((share, i) => {
        const swatch = make("i", { class: "brnpa-swatch" }), button = make("button", { type: "button", "aria-label": `show rank ${i + 1}` }, swatch, String(i + 1));
        swatch.style.background = page.colours[i];
        listen(button, "click", () => set("rank", model.get("rank") === i + 1 ? 0 : i + 1));
        const row = make("tr", {}, make("th", { scope: "row" }, button), make("td", {}, Number.isFinite(share) ? percent(share) : "–"));
        if (some) row.append(make("td", {}, signed(some.by_rank[i])), make("td", { class: "brnpa-name" }, `${packet.predictions[i].name} ${percent(packet.predictions[i].probability)}`));
        return row;
      }));
    }
    [...ui.ranks.children].forEach((row, i) => { row.classList.toggle("brnpa-on", rank === i + 1); row.querySelector("button").setAttribute("aria-pressed", String(rank === i + 1)); });
  }

  function marks(packet, s, rank) {
    const [h, w] = packet.grid, stamp = `${page.first} ${s.photo}`;
    if (ui.marks.dataset.stamp !== stamp) {
      ui.marks.dataset.stamp = stamp;
      ui.marks.replaceChildren(make("span", { class: "brnpa-cell" }), ...packet.seeds.map((seed, i) => {
        const mark = make("span", { class: "brnpa-seed" }, String(i + 1));
        mark.style.left = `${((seed % w) + 0.5) * 100 / w}%`; mark.style.top = `${(Math.floor(seed / w) + 0.5) * 100 / h}%`; mark.style.borderColor = page.colours[i];
        return mark;
      }));
    }
    const [box, ...seeds] = ui.marks.children, at = s.position, hover = at >= 0 && at < h * w && packet.dims > 0, step = packet.can_step ? clip(s.step, 0, 3 * packet.ranks) : 0;
    box.hidden = !hover;
    if (hover) { box.style.left = `${(at % w) * 100 / w}%`; box.style.top = `${Math.floor(at / w) * 100 / h}%`; box.style.width = `${100 / w}%`; box.style.height = `${100 / h}%`; }
    seeds.forEach((mark, i) => { mark.hidden = hover || (step ? i !== Math.floor((step - 1) / 3) : rank > 0 && i + 1 !== rank); });
  }

  function scale(packet, s, rank) {
    if (!shown) return;
    const which = rank ? `rank ${rank}` : "all ranks", steps = ["score: the seed is its largest value", "similarity to the seed", "score left after this rank"];
    ui.title.textContent = { position: "similarity to this position", step: `step ${clip(s.step, 0, 3 * packet.ranks)}: rank ${shown.at + 1}, ${steps[shown.phase] ?? ""}`, signed: `contribution, ${which}: orange for, purple against`, map: `${KINDS[shown.kind] ?? ""}, ${which}` }[shown.what];
    ui.low.textContent = number(shown.low).replace("-", "−"); ui.high.textContent = number(shown.high);
    const stops = shown.bar ? shown.bar.map((c) => `rgb(${c.join(" ")})`) : page.colours.slice(0, packet.ranks).flatMap((c, i) => [`${c} ${i * 100 / packet.ranks}%`, `${c} ${(i + 1) * 100 / packet.ranks}%`]);
    ui.bar.style.background = stops.length > 1 ? `linear-gradient(to right, ${stops.join(", ")})` : stops[0];
    ui.low.hidden = ui.high.hidden = !shown.bar;
  }

  function summary(packet, s, kept, rank) {
    const [, w] = packet.grid, place = (k) => `row ${Math.floor(k / w) + 1}, column ${(k % w) + 1}`, some = packet.classes[kept];
    const words = [`Photograph ${s.photo + 1} of ${page.total}${packet.caption === `photograph ${s.photo + 1}` ? "" : `, ${packet.caption}`}.`];
    if (shown?.what === "position") words.push(`Similarity of ${place(s.position)} to all positions, ${number(shown.low)} to ${number(shown.high)}.`);
    else if (shown?.what === "step") words.push(`Step ${clip(s.step, 0, 3 * packet.ranks)} of the grouping: ${[`the score is largest at ${place(packet.seeds[shown.at])}, the seed of rank ${shown.at + 1}`, `similarity to the seed of rank ${shown.at + 1}`, `the score left after rank ${shown.at + 1}`][shown.phase]}.`);
    else {
      words.push(rank ? `Rank ${rank} of ${packet.ranks}, ${s.show}: ${Number.isFinite(packet.shares[rank - 1]) ? `${percent(packet.shares[rank - 1])} of the activity, ` : ""}seed at ${place(packet.seeds[rank - 1])}.` : `All ${packet.ranks} ranks, ${s.show}.`);
      if (some) words.push(rank ? `It adds ${signed(some.by_rank[rank - 1])} to “${some.name}”.` : `“${some.name}” has a probability of ${percent(some.probability)}.`);
      if (s.target >= 0 && some && some.index !== s.target) words.push(`Class ${s.target} was not packed for this photograph; the most probable is shown.`);
    }
    return words.join(" ");
  }

  // ---- photographs ----

  function thumbs(s) {
    const start = Math.floor(s.photo / page.per_page) * page.per_page, end = Math.min(start + page.per_page, page.total), stamp = `${page.first} ${start}`;
    ui.thumbs.hidden = page.total < 2; ui.pages.hidden = page.total <= page.per_page;
    ui.page.textContent = `${start + 1}–${end} of ${page.total}`;
    ui.back.disabled = start === 0; ui.next.disabled = end === page.total;
    if (drawnThumbs !== stamp) {
      const [H, W] = page.packets[0].size, side = Math.sqrt(clip(W / H, 1 / 3, 3));   // equal areas, the photographs' shape
      drawnThumbs = stamp;
      ui.thumbs.replaceChildren(...Array.from({ length: end - start }, (_, i) => {
        const photo = start + i, packet = packetAt(photo), canvas = make("canvas", { width: Math.round(96 * side), height: Math.round(96 / side), "aria-hidden": "true" });
        const button = make("button", { type: "button", role: "radio", "aria-label": `${photo + 1}: ${packet?.caption ?? "not loaded"}`, title: packet?.caption ?? "" }, canvas);
        button.style.width = `${3 * side}rem`; button.style.height = `${3 / side}rem`;
        if (packet) bitmap(photo).then((p) => {      // the whole photograph; of a very long one the middle
          const k = Math.max(canvas.width / p.width, canvas.height / p.height), w = canvas.width / k, h = canvas.height / k;
          canvas.getContext("2d").drawImage(p, (p.width - w) / 2, (p.height - h) / 2, w, h, 0, 0, canvas.width, canvas.height);
        }, () => {});
        listen(button, "click", () => set("photo", photo));
        listen(button, "keydown", (e) => {
          const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
          if (by && photo + by >= start && photo + by < end) { e.preventDefault(); set("photo", photo + by); ui.thumbs.children[i + by].focus(); }
        });
        return button;
      }));
    }
    [...ui.thumbs.children].forEach((b, i) => { b.setAttribute("aria-checked", String(start + i === s.photo)); b.tabIndex = start + i === s.photo ? 0 : -1; });
  }

  function say(text) { ui.note.textContent = text; ui.note.hidden = !text; ui.canvas.style.visibility = text ? "hidden" : "visible"; }

  // ---- events ----

  function at(event) {
    const box = ui.stage.getBoundingClientRect(), [h, w] = current.packet.grid;
    return clip(Math.floor((event.clientY - box.top) / box.height * h), 0, h - 1) * w + clip(Math.floor((event.clientX - box.left) / box.width * w), 0, w - 1);
  }
  const move = (position, keep = false) => { mine = true; try { if (keep) pinned = position; set("position", position); } finally { mine = false; } };
  listen(ui.stage, "pointermove", (e) => { if (current?.packet.dims && e.pointerType !== "touch") move(at(e)); });
  listen(ui.stage, "pointerleave", () => { if (current) move(pinned); });
  listen(ui.stage, "click", (e) => { if (current?.packet.dims) { const cell = at(e); if (pinned === cell) { pinned = -1; move(-1); } else move(cell, true); } });
  listen(ui.stage, "keydown", (e) => {
    if (!current?.packet.dims) return;
    const [h, w] = current.packet.grid, by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[e.key], now = model.get("position");
    if (e.key === "Escape") move(-1, true);
    else if (e.key === "Enter") move(now, true);
    else if (by) { const from = now < 0 ? current.packet.seeds[0] : now; move(now < 0 ? from : clip(Math.floor(from / w) + by[0], 0, h - 1) * w + clip((from % w) + by[1], 0, w - 1), true); }
    else return;
    e.preventDefault(); e.stopPropagation();
  });
  for (const name of ["rank", "opacity", "threshold", "step"]) listen(ui[name].input, "input", () => set(name, Number(ui[name].input.value)));
  listen(ui.show.input, "change", () => set("show", ui.show.input.value));
  listen(ui.target.input, "change", () => set("target", Number(ui.target.input.value)));
  listen(ui.smooth, "change", () => set("smooth", ui.smooth.checked));
  listen(ui.back, "click", () => set("photo", Math.max(0, (Math.floor(model.get("photo") / page.per_page) - 1) * page.per_page)));
  listen(ui.next, "click", () => set("photo", Math.min(page.total - 1, (Math.floor(model.get("photo") / page.per_page) + 1) * page.per_page)));

  const changed = { _page: newPage, photo: open, position: () => { if (!mine) pinned = model.get("position"); draw(); } };
  const handlers = TRAITS.map((name) => [`change:${name}`, changed[name] ?? draw]);
  for (const [name, f] of handlers) model.on(name, f);
  el.append(ui.root);
  newPage();
  return () => {
    stop.abort(); cancelAnimationFrame(frame); clearTimeout(speak);
    for (const [name, f] of handlers) model.off(name, f);
    for (const picture of pictures.values()) picture.then((p) => p.close(), () => {});
    ui.root.remove();
  };
}

// ---- without Jupyter: the page holds the state of every view as JSON, and which traits are linked ------------------

function standalone(doc = document) {
  const { views, links } = JSON.parse(doc.getElementById("brnpa-data").textContent), models = [];
  for (const { state } of views) {
    const listeners = new Map(), values = { ...state };
    const model = {
      get: (k) => values[k], save_changes() {},
      set(k, v) {
        if (values[k] === v) return;
        values[k] = v;
        for (const f of [...(listeners.get(`change:${k}`) ?? [])]) f();
        if (links.includes(k)) for (const other of models) other.set(k, v);
      },
      on(name, f) { listeners.set(name, [...(listeners.get(name) ?? []), f]); },
      off(name, f) { listeners.set(name, (listeners.get(name) ?? []).filter((g) => g !== f)); },
    };
    models.push(model);
  }
  views.forEach(({ title }, i) => {
    const place = make("section", {});
    if (title) place.append(make("h2", {}, title));
    doc.getElementById("brnpa-views").append(place);
    render({ model: models[i], el: place });
  });
}

export default { render };
