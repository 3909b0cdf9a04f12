"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const choose = (id) => document.getElementById(id);
const cards = choose("cards");

// All videos of a card run in step: they start together, and again when the first one ends.
function start(shown) {
  for (const player of shown.querySelectorAll("video")) {
    player.currentTime = 0;
    player.play().catch((reason) => { if (reason.name !== "AbortError") throw reason; });
  }
}

// Only cards on the screen hold decoded videos: hundreds of players at once would exhaust a small machine.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const players = [...target.querySelectorAll("video")];
    for (const player of players) {
      if (isIntersecting && !player.src) player.src = player.dataset.source;
      if (!isIntersecting) player.pause();
    }
    if (isIntersecting) start(target);
  }
}, { rootMargin: "200px" });

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function video(source, caption) {
  const player = element("video", { muted: "", playsinline: "", "aria-label": caption, "data-source": source });
  player.muted = true;
  return element("figure", {}, player, element("figcaption", {}, caption));
}

function concepts(predicted, truth) {
  const list = element("div", { class: "tags" });
  for (const name of predicted) list.append(element("span", { class: truth.includes(name) ? "right" : "wrong" }, name));
  for (const name of truth) {
    if (!predicted.includes(name)) list.append(element("span", { class: "missed", title: "in the clip, not recognised" }, name));
  }
  return list;
}

function card(clip, made) {
  const parts = element("div", { class: "parts" }, video(made.blurry, "blurry video"), video(made.mask, "key object"),
    element("figure", {}, element("img", { src: made.control, alt: "control image" }), element("figcaption", {}, "control image")));
  if (clip.oracle) parts.append(video(clip.oracle, "generator's limit"));
  const head = element("header", {}, element("strong", {}, clip.id));
  if (made.rank) head.append(element("span", { class: "rank " + made.rank }, made.rank));
  head.append(element("span", {}, "similarity " + made.score.toFixed(3)));
  if (made.samples > 1)
    head.append(element("span", { title: "mean cosine distance between CLIP's views of two samples of this clip" },
      "spread over " + made.samples + " samples " + made.spread.toFixed(3)));
  if (clip.cuts) head.append(element("span", {}, clip.cuts === 1 ? "1 scene cut" : clip.cuts + " scene cuts"));
  const shown = element("article", { class: "card", "data-clip": clip.id }, head,
    element("div", { class: "pair" }, video(clip.truth, "watched"), video(made.video, "reconstructed")), parts,
    element("p", { class: "says" }, element("b", {}, "watched: "), clip.caption),
    element("p", { class: "says" }, element("b", {}, "decoded: "), made.caption),
    concepts(made.concepts, clip.concepts));
  shown.querySelector("video").addEventListener("ended", () => start(shown));
  return shown;
}

function draw() {
  const key = choose("variant").value + "/" + choose("subject").value;
  const words = choose("search").value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const highlights = choose("show").value === "highlights";
  const rank = { best: 0, median: 1, worst: 2 };
  const chosen = data.clips.map((clip) => [clip, data.made[key][clip.id]]).filter(([clip, made]) => {
    const text = (clip.caption + " " + made.caption).toLowerCase();
    return (!highlights || made.rank) && (!choose("uncut").checked || !clip.cuts) && words.every((word) => text.includes(word));
  });
  chosen.sort(([, a], [, b]) => (highlights ? rank[a.rank] - rank[b.rank] : 0) || b.score - a.score);
  watcher.disconnect();
  cards.replaceChildren(...chosen.map(([clip, made]) => card(clip, made)));
  for (const shown of cards.children) watcher.observe(shown);
  choose("count").textContent = chosen.length + " of " + data.clips.length + " clips";
  choose("nothing").hidden = chosen.length > 0;
}

for (const id of ["variant", "subject", "show", "uncut"]) choose(id).addEventListener("change", draw);
choose("search").addEventListener("input", () => {
  if (choose("search").value && choose("show").value === "highlights") choose("show").value = "all";
  draw();
});
draw();
